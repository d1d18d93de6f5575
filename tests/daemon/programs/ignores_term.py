"""Ignores SIGTERM and every other polite request, and says so once it does."""

import os
import signal
import time

for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
print("stubborn", os.getpid(), flush=True)
time.sleep(600)
