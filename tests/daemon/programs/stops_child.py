"""A child that is stopped, and so hears no signal but SIGKILL and SIGCONT."""

import os
import signal
import time

child = os.fork()
if child == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(600)
    os._exit(0)
os.waitpid(child, os.WUNTRACED)
print("stopped", child, flush=True)
time.sleep(600)
