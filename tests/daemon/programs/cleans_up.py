"""A command and a child that each use their SIGTERM to say goodbye, and then end."""

import os
import signal
import time


def goodbye(word: str) -> None:
    def handler(number: int, frame: object) -> None:
        # Not by print: a second SIGTERM may come in the middle of it.
        os.write(1, f"goodbye {word}\n".encode())
        os._exit(0)

    signal.signal(signal.SIGTERM, handler)
    print(word, os.getpid(), flush=True)


if (child := os.fork()) == 0:
    goodbye("child")
    time.sleep(600)
goodbye("command")
while True:
    time.sleep(0.01)
