"""A command that takes its machine down with it, as far as a test can: the client's daemon, its launcher, its runner.

They die in one moment and say nothing, and so does the command itself.
"""

import os
import signal

import psutil

parents = psutil.Process().parents()  # the shell, the runner, the launcher, the daemon, and whoever started that
programs = [process for process in parents if "hqclient" in " ".join(process.cmdline()[:4])]
assert 2 <= len(programs) <= 3, [process.cmdline() for process in parents]
for process in reversed(programs):  # the daemon is stopped before it can notice anything
    process.suspend()
for process in programs:
    process.kill()
os.kill(os.getpid(), signal.SIGKILL)
