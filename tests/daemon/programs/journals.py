"""Notes its run's start and end in the file given, prints a known text in between, and waits for the gate that may be
given: so much output, and whether the command was carried out once, can be checked from outside."""

import os
import sys
import time
from pathlib import Path


def note(word: str) -> None:
    file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, f"{os.environ['HQ_RUN_TOKEN']} {word}\n".encode())
    os.fsync(file)
    os.close(file)


note("start")
for number in range(1000):
    print("line", number)
sys.stdout.flush()
while len(sys.argv) > 2 and not Path(sys.argv[2]).exists():
    time.sleep(0.01)
print("over", flush=True)
note("end")
