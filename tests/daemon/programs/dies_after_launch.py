"""A daemon that launches the run of the folder given, waits until it has started, and dies like one killed."""

import asyncio
import os
import sys
from pathlib import Path

from hqclient.daemon.runs.launcher import Launcher
from hqclient.daemon.runs.runfolder import RunFolder


async def main() -> None:
    started = asyncio.Event()
    launcher = Launcher(lambda run_id: started.set(), lambda run_id: None)
    await launcher.start()
    launcher.launch(RunFolder(Path(sys.argv[1])))
    await started.wait()
    print(launcher.pid, flush=True)
    os._exit(9)


asyncio.run(main())
