"""Leaves its parent and its session by the double fork of a classic Unix daemon."""

import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("escaped", os.getpid(), flush=True)
        time.sleep(600)
    os._exit(0)
time.sleep(600)
