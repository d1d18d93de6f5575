"""The launcher's own process: small, single-threaded, with everything imported, so that forking it is cheap.

It is started by `launcher.Launcher` and reads from the socket it inherits, one JSON object a line:
`{"launch": FOLDER}`. It answers `{"started": RUN}`, `{"ended": RUN}`, and `{"taken": RUN}` when the run turned out
to be claimed by somebody else; and before all that, about control groups for runs, `{"groups": SENTENCE}` or
`{"no_groups": SENTENCE}`.

A runner that has ended a run waits a while for the next one, because a fork costs more
than all the rest of a short run. When the daemon goes away, launcher and waiting runners end; the others go on.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from hqserver.domain.crash import crash_point

from .. import host_os
from .cgroup_probe import usable_parent
from .cgroups import Cgroup, CgroupError, new_group, sweep
from .progress import compile_defaults
from .runner import prepare_process, run

assert sys.platform != "win32"

IDLE_SECONDS = 5.0
"""How long a runner waits for its next run. One always waits, so that a run on an idle farm need not fork."""
RUNS_PER_RUNNER = 200
_REMOVAL_SECONDS = 0.5
"""How long the kernel may take to let go of the control group of a process that has ended."""
_STARTED, _ENDED, _TAKEN = b"s", b"e", b"t"
_WORDS = {_STARTED: "started", _ENDED: "ended", _TAKEN: "taken"}


@dataclass(eq=False)
class _Runner:
    """A runner as the launcher sees it; `run_id` is "" while it waits."""

    pid: int
    channel: socket.socket
    group: Cgroup | None
    run_id: str = ""
    runs: int = 0
    idle_since: float = field(default_factory=time.monotonic)


class LauncherProcess:
    """Serves one daemon until its socket ends."""

    def __init__(self, daemon: socket.socket, groups: Path | None = None) -> None:
        """`groups` is the folder below which runners get control groups, None where they get none."""
        self._daemon = daemon
        self._groups = groups
        self._received = b""
        self._runners: dict[int, _Runner] = {}
        self._idle: list[_Runner] = []
        self._poll = select.poll()
        self._poll.register(daemon, select.POLLIN)

    def serve(self) -> None:
        """Returns when the daemon is gone, and with it the runners that wait."""
        self._idle.append(self._fork())
        while True:
            for descriptor, _ in self._poll.poll(self._patience_milliseconds()):
                if descriptor == self._daemon.fileno():
                    if not self._read_orders():
                        self._end_idle()
                        return
                else:
                    self._hear(self._runners[descriptor])
            self._retire_idle()

    def tell(self, word: str, text: str) -> None:
        """Say something to the daemon."""
        try:
            self._daemon.sendall(json.dumps({word: text}).encode() + b"\n")
        except OSError:
            pass  # the daemon is gone; the folder knows it all, and reading the socket will end this process

    def _read_orders(self) -> bool:
        data = self._daemon.recv(64 << 10)
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._launch(json.loads(line)["launch"])
        return bool(data)

    def _launch(self, folder: str) -> None:
        run_id = Path(folder).name
        crash_point("launch_heard")
        try:
            runner = self._idle.pop() if self._idle else self._fork()
        except OSError as problem:
            print(f"hqclient launcher: cannot start a runner: {problem}", file=sys.stderr)  # noqa: T201
            self.tell("ended", run_id)
            return
        runner.run_id = run_id
        runner.runs += 1
        try:
            runner.channel.sendall(os.fsencode(folder) + b"\n")
        except OSError:
            pass  # it has just died: its channel says so in a moment

    def _hear(self, runner: _Runner) -> None:
        try:
            words = runner.channel.recv(16)
        except OSError:
            words = b""
        for word in (words[i : i + 1] for i in range(len(words))):
            self.tell(_WORDS[word], runner.run_id)
            if word != _STARTED:
                runner.run_id = ""
                runner.idle_since = time.monotonic()
                self._idle.append(runner)
        if not words:
            if runner.run_id:
                self.tell("ended", runner.run_id)
            self._dismiss(runner)
        elif not runner.run_id and runner.runs >= RUNS_PER_RUNNER:
            self._dismiss(runner)

    def _end_idle(self) -> None:
        for runner in tuple(self._idle):
            self._dismiss(runner)

    def _retire_idle(self) -> None:
        now = time.monotonic()
        while len(self._idle) > 1 and now - self._idle[0].idle_since >= IDLE_SECONDS:
            self._dismiss(self._idle[0])

    def _patience_milliseconds(self) -> int | None:
        if len(self._idle) < 2:
            return None
        return max(0, int((self._idle[0].idle_since + IDLE_SECONDS - time.monotonic()) * 1000) + 1)

    def _dismiss(self, runner: _Runner) -> None:
        """Close the channel, on which an idle runner ends, and reap it."""
        if runner in self._idle:
            self._idle.remove(runner)
        self._poll.unregister(runner.channel)
        del self._runners[runner.channel.fileno()]
        runner.channel.close()
        os.waitpid(runner.pid, 0)
        if runner.group is not None and not runner.run_id:  # otherwise the daemon ends what it may have left
            runner.group.kill_until_gone(_REMOVAL_SECONDS)

    def _new_group(self) -> Cgroup | None:
        """For the next runner; None where it has to do without."""
        try:
            return None if self._groups is None else new_group(self._groups)
        except OSError:
            return None

    def _fork(self) -> _Runner:
        group = self._new_group()
        ours, theirs = socket.socketpair()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            # Nobody's end may stay open in here: its end would go unnoticed.
            for other in (ours, self._daemon, *(runner.channel for runner in self._runners.values())):
                other.close()
            _be_runner(theirs, group)
        theirs.close()
        runner = _Runner(pid, ours, group)
        self._runners[ours.fileno()] = runner
        self._poll.register(ours, select.POLLIN)
        return runner


def _be_runner(channel: socket.socket, group: Cgroup | None) -> None:
    """The life of a forked runner: one run after another, until the channel ends. Does not return."""
    status = 1
    try:
        wake = prepare_process()
        cgroup = _enter(group)

        def say(word: bytes) -> None:
            try:
                channel.sendall(word)
            except OSError:
                pass  # launcher and daemon are gone: the run goes on without them

        orders = channel.makefile("rb")
        while folder := orders.readline().rstrip(b"\n"):
            say(_ENDED if run(Path(os.fsdecode(folder)), wake, lambda: say(_STARTED), cgroup) else _TAKEN)
        status = 0
    finally:
        os._exit(status)


def _enter(group: Cgroup | None) -> str:
    """Move into the group; its path, "" for none, with which the other marks of a run have to do."""
    if group is None:
        return ""
    try:
        group.enter()
    except OSError:
        return ""
    return str(group.path)


def main() -> None:
    """Serve the daemon on the socket whose descriptor is the only argument."""
    os.chdir("/")
    compile_defaults()
    gc.collect()
    gc.freeze()  # the collector must not touch, and so copy, what parent and child share
    try:
        groups = usable_parent()
        sweep(groups)
        word, sentence = "groups", f"each run has a control group below {groups}"
    except CgroupError as problem:
        groups, word = None, "no_groups"
        sentence = f"runs have no control groups here ({problem}): {host_os.survivors_without_groups()}"
    with socket.socket(fileno=int(sys.argv[1])) as daemon:
        launcher = LauncherProcess(daemon, groups)
        launcher.tell(word, sentence)
        launcher.serve()


if __name__ == "__main__":
    main()
