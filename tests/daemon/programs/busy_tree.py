"""A tree that writes and burns CPU wherever a process can be: the command, a child, a child in a session of its own,
and a daemon that left its parent. Each says its pid and appends to the file given as often as it can, for a minute.
"""

import os
import sys
import time

END_AT = time.monotonic() + 60.0


def work(word: str) -> None:
    print(word, os.getpid(), flush=True)
    file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    while time.monotonic() < END_AT:
        os.write(file, b"x")
    os._exit(0)


if os.fork() == 0:
    work("child")
if os.fork() == 0:
    os.setsid()
    work("session")
if (middle := os.fork()) == 0:
    os.setsid()
    if os.fork() == 0:
        work("daemon")
    os._exit(0)
os.waitpid(middle, 0)
work("command")
