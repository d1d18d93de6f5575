"""Plays the job that writes IFD files: for each it adds a render job below itself, as Houdini's farm scripts do.

It copies its own priority and conditions, which it asks for by the text of JOBID, into what it submits.
"""

import os
import sys
from xmlrpc.client import ServerProxy

first, last = int(sys.argv[1]), int(sys.argv[2])
server = ServerProxy(os.environ["HQSERVER"], allow_none=True)
info = server.getinfo(os.environ["JOBID"])
kept = os.environ["HQ_PRESERVE_ENV_VARS"].split(",")
for frame in range(first, last + 1):
    server.newjob(
        {
            "name": f"Render -> IFD {frame}",
            "shell": "bash",
            "command": f'"{sys.executable}" "$HQCOMMANDS/render_frame.py" {frame}',
            "environment": {"HQCOMMANDS": os.environ["HQCOMMANDS"], **{name: os.environ[name] for name in kept}},
            "priority": str(info["priority"]),
            "conditions": info["conditions"],
            "minHosts": "1",
            "maxHosts": "1",
            "tags": ["single:ifd"] if frame == first else "",
            "triesLeft": "1",
        },
        os.environ["JOBID"],
    )
    print(f"ALF_PROGRESS {round(100 * (frame - first + 1) / (last - first + 1))}%", flush=True)
