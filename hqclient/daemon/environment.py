"""The environment a command sees (CONTRACT 2.6). Pure: every source is a parameter.

From weakest to strongest: the allowed part of the daemon's own environment, the `[job_environment]` section
of `hqclient.ini`, the variables only the client knows, and the order's environment, which the server made
of the submitter's own and the job's identity. So a submitter controls his own process: what he sets wins
over everything but JOBID and ROOTJOBID, which the server writes last, HQ_RUN_TOKEN, which the runner
writes, and HQROOT where this machine mounts the share elsewhere. The client's secret is in no environment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

KEPT = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR", "TEMP", "TMP"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT", "WINDIR", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA"),
    *("PROGRAMFILES*", "USERPROFILE", "DISPLAY", "XAUTHORITY", "NVIDIA_*", "CUDA_*", "LD_LIBRARY_PATH"),
)
"""Names and patterns of the daemon's own environment that commands inherit; `keepEnvironment` adds to
them."""

NEVER_KEPT = ("HQ_RUN_TOKEN", "HQ_CRASH_AT")
"""Not inherited whatever the patterns say: the token of the run that may have started this very daemon, and
a test hook."""


def base_environment(
    *,
    own: Mapping[str, str],
    keep: Iterable[str] = (),
    job_environment: Mapping[str, str],
    client_facts: Mapping[str, str],
) -> dict[str, str]:
    """What every command of this client sees before its order has a word; made once for a daemon.

    `own` is the daemon's own environment, `keep` further patterns allowed from it, `job_environment` the
    section of the configuration file, `client_facts` what the function of that name says.
    """
    patterns = [pattern.upper() for pattern in (*KEPT, *keep)]
    kept = {
        name: value
        for name, value in own.items()
        if name not in NEVER_KEPT and any(fnmatchcase(name.upper(), pattern) for pattern in patterns)
    }
    return {**kept, **job_environment, **client_facts}


def command_environment(base: Mapping[str, str], order: Mapping[str, str], shared_mount: str = "") -> dict[str, str]:
    """The variables of one command: `base` with the order's environment over it.

    `shared_mount` is this machine's mount point of the share, "" = as the server says.
    """
    complete = {**base, **order}
    if shared_mount:
        complete["HQROOT"] = shared_mount
    return complete


def client_facts(*, code_folder: str, platform: str, server_url: str, hostname: str) -> dict[str, str]:
    """HQueue's variables that only the client knows: where its code is, what it is, and whom it asks.

    HQHOSTS is this machine alone; the order of a job on several clients brings the whole list.
    """
    return {
        "HQCLIENT": code_folder,
        "HQCLIENTARCH": platform,
        "HQSERVER": server_url,
        "HQHOSTS": hostname,
    }
