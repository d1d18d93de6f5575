"""Plays a hook that calls the farm: the output of the job that it belongs to, read through JOBID."""

import os
from xmlrpc.client import ServerProxy

server = ServerProxy(os.environ["HQSERVER"], allow_none=True)
print(f"hook: {os.environ['HQSTATUS']}, {len(server.getJobOutput(os.environ['JOBID']).splitlines())} lines so far")
