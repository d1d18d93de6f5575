"""Plays mantra on one frame: prints Alfred's progress, names its hosts and writes the picture below $HQROOT."""

import os
import sys
import time
from pathlib import Path

frame = int(sys.argv[1])
for percent in (25, 50, 75, 100):
    print(f"ALF_PROGRESS {percent}%", flush=True)
    time.sleep(0.02)
print(f"frame {frame} on {os.environ['HQHOSTS']} with {os.environ['HFS']}")
Path(os.environ["HQROOT"], f"frame.{frame:04d}.pic").write_text(os.environ["JOBID"])
