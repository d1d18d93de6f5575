"""Chains, as many as said, each in a session of its own: every link forks its successor and ends a moment later.

Each link appends a byte to the file given, so that it can be seen whether the chains go on. They do for thirty seconds.
"""

import os
import sys
import time

END_AT = time.monotonic() + 30.0
"""Nothing else would end a chain, should it escape a test."""

for _ in range(int(sys.argv[2])):
    if os.fork() == 0:
        os.setsid()
        file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        while time.monotonic() < END_AT:
            if os.fork():
                os._exit(0)
            os.write(file, b"x")
            time.sleep(0.001)
        os._exit(0)
print("chains", os.getpid(), flush=True)
time.sleep(600)
