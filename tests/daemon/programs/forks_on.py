"""Forks again and again, for twenty seconds: a chain in a session of its own, where each process forks its successor
and ends, and child after child of the command. Says the pid of the command.
"""

import os
import time

END_AT = time.monotonic() + 20.0
"""Nothing else would end the chain, should it escape a test."""

print("forking", os.getpid(), flush=True)
if os.fork() == 0:
    os.setsid()
    while time.monotonic() < END_AT:
        if os.fork():
            os._exit(0)
        time.sleep(0.001)
    os._exit(0)
while time.monotonic() < END_AT:
    child = os.fork()
    if child == 0:
        time.sleep(0.001)
        os._exit(0)
    os.waitpid(child, 0)
