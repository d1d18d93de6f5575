"""Fifty children that ignore SIGTERM, a parent that waits for them."""

import os
import signal
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(50):
    if os.fork() == 0:
        time.sleep(600)
        os._exit(0)
print("forked", os.getpid(), flush=True)
time.sleep(600)
