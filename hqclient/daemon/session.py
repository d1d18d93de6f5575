"""One daemon's session with its server: registration, then one beat after another, for ever (PROTOCOL.md).

What a beat says and what its answer means is the `BeatSource`'s; this module knows when to send one, and
what to do when the server is away, does not know the client, or knows another by its name.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from hqserver.domain.crash import crash_point

from .host_os import uptime_seconds
from .identity import Identity, IdentityFile
from .link import LinkDown, NotAFarm, ServerFault, Transport
from .protocol import Answer, ProtocolError, Registration, UpgradeOrder, read_answer, read_registration
from .upgrade import package_of

_log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 15.0
_NAME_TAKEN_SECONDS = 60.0
_UNKNOWN, _CONFLICT, _NO_SUCH_METHOD = 401, 409, -32601
_LATER = (429, 503, 507)
"""Faults that say nothing about the beat: the server is busy, or its disk is full."""


class DuplicateClient(Exception):
    """Another daemon with this one's secret is alive, and it was first (PROMISES 2.4)."""


class WrongServer(Exception):
    """At the first contact something answered at the server's address that is no farm's server."""


class BeatSource(Protocol):
    """What the session says and to whom it tells the answers."""

    def held_runs(self) -> list[str]:
        """Every run the daemon holds in any form."""

    def highest_job(self) -> int:
        """The highest id of a job that the daemon knows, 0 for none."""

    def registered(self, registration: Registration) -> None:
        """The server knows this session."""

    def pause_seconds(self) -> float:
        """How long the next beat may wait for more to say, though something is to be said already."""

    async def compose(self) -> dict[str, Any]:
        """The next beat, but for session and sequence."""

    def answered(self, answer: Answer, took_seconds: float, sent_at: float) -> bool:
        """The server has answered the beat last composed, so long after it was due.

        `sent_at` is when it began to be sent, by `host_os.uptime_seconds`. Returns False when that brought nothing
        forward.
        """

    def refused(self) -> bool:
        """The server did not take the beat last composed, and never will as it stands.

        Returns whether the next one says something else.
        """


class Session:
    """Registers and beats until it is cancelled."""

    def __init__(
        self,
        transport: Transport,
        source: BeatSource,
        identity_file: IdentityFile,
        server: str,
        facts: Mapping[str, object],
        announce: Callable[[str], None],
        *,
        package_offered: Callable[[UpgradeOrder], None],
        beat_answered: Callable[[], None],
    ) -> None:
        """`server` is its URL, `facts` the identity of PROTOCOL.md but for `session` and `runs`.

        `announce` is told in one sentence when the client is registered, the server is away, and when it is
        back. `package_offered` is called when the server names its package at the first registration,
        `beat_answered` each time the server has taken a beat.
        """
        self.connected = False
        self._package_offered = package_offered
        self._beat_answered = beat_answered
        self._transport = transport
        self._source = source
        self._identity_file = identity_file
        self._server = server
        self._facts = facts
        self._announce = announce
        self._id = identity_file.new_session()
        self._sequence = 0
        self._identity = identity_file.read(server)
        self._interval_seconds = 5.0
        self._wanted = asyncio.Event()
        self._hurried = asyncio.Event()
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._is_away = False
        self._is_known = False
        self._must_register = False
        self._leaving = False
        self._has_left = False

    @property
    def secret(self) -> str:
        """What the server knows this client by, "" before the first registration."""
        return self._identity.secret if self._identity else ""

    def want_beat(self) -> None:
        """There is something to say: beat as soon as the beat in flight is answered."""
        self._wanted.set()

    def hurry(self) -> None:
        """The server has something to say: beat at once, even while waiting to try again."""
        self._wanted.set()
        self._hurried.set()

    def register_again(self) -> None:
        """The facts have changed: tell the server."""
        self._must_register = True
        self.hurry()

    def leave(self) -> None:
        """Beat once more, to say that the client leaves the farm; `run` returns when the server has that."""
        self._leaving = True
        self.hurry()

    async def run(self) -> None:
        """Register, beat, and register again whenever the server asks for it, until the client has left.

        Raises `DuplicateClient` and `WrongServer`.
        """
        while not self._has_left:
            await self._register()
            while await self._beat():
                pass
            self.connected = False

    async def _register(self) -> None:
        while True:
            self._must_register = False
            identity = {**self._facts, "session": self._id, "runs": self._source.held_runs()}
            identity["highestJob"] = self._source.highest_job()
            try:
                value = await self._transport.call("registerClient", identity, self.secret)
                self._take_registration(read_registration(value))
                self._look_at_offer(value)
                return
            except ServerFault as fault:
                if fault.code == _NO_SUCH_METHOD:
                    self._doubt_server(fault)
                await self._face_refusal(fault)
            except NotAFarm as problem:
                self._doubt_server(problem)
                await self._face_silence(problem)
            except (LinkDown, ProtocolError) as problem:
                await self._face_silence(problem)

    def _doubt_server(self, problem: Exception) -> None:
        """A server that once gave this client its secret will be back; one that never did has a wrong address."""
        if self._identity is None:
            raise WrongServer(f"there is no farm's server at {self._server}: {problem}") from None

    def _take_registration(self, registration: Registration) -> None:
        crash_point("client_registered")
        if registration.secret:
            self._identity = Identity(self._server, registration.client, registration.secret)
            try:
                self._identity_file.write(self._identity)
            except OSError as problem:
                _log.error("the secret could not be kept, the next daemon will be a stranger: %s", problem)
        self._interval_seconds = registration.interval_seconds
        self._sequence = 0
        self._hear_again()
        self.connected = True
        name = self._facts["name"]
        label = f"{self._facts['hostname']}:{name}" if name else f"{self._facts['hostname']}"
        self._announce(f"registered as client {registration.client} ({label}) at {self._server}")
        self._source.registered(registration)
        self._wanted.set()

    def _look_at_offer(self, registration: object) -> None:
        """The server's code is taken over at the daemon's start, not whenever it registers anew."""
        package = None if self._is_known else package_of(registration)
        self._is_known = True
        if package is not None:
            self._package_offered(package)

    async def _face_refusal(self, fault: ServerFault) -> None:
        if fault.code == _UNKNOWN and self._identity is not None:
            _log.warning("the server does not know this client any more; registering anew")
            self._identity = None
        elif fault.code == _CONFLICT and "duplicate client" in fault.sentence:
            raise DuplicateClient(fault.sentence)
        elif fault.code == _CONFLICT:
            self._announce(f"the server refuses this client: {fault.sentence}; trying again every minute")
            await self._pause(_NAME_TAKEN_SECONDS)
        else:
            await self._face_silence(fault)

    async def _beat(self) -> bool:
        """Wait until a beat is due and send it; returns False when the client has to register again."""
        try:
            async with asyncio.timeout(self._interval_seconds):
                await self._wanted.wait()
        except TimeoutError:
            pass  # nothing to say is also said, once an interval
        if self._must_register:
            return False
        due_at = time.monotonic()
        if (pause_seconds := self._source.pause_seconds()) > 0:
            await asyncio.sleep(pause_seconds)
        self._wanted.clear()
        self._hurried.clear()
        self._sequence += 1
        leaving = {"leaving": True} if self._leaving else {}
        beat = {"session": self._id, "sequence": self._sequence, **await self._source.compose(), **leaving}
        sent_at = uptime_seconds()
        try:
            answer = read_answer(await self._transport.call("clientBeat", beat, self.secret))
        except ServerFault as fault:
            if fault.code == _UNKNOWN and self._leaving:
                self._has_left = True  # an earlier try had arrived
                return False
            if fault.code in (_UNKNOWN, _CONFLICT):
                _log.warning("registering again: %s", fault.sentence)
                await self._back_off()
                return False
            if fault.code not in _LATER and self._source.refused():
                self._pause_seconds = _FIRST_PAUSE_SECONDS
            await self._face_silence(fault)
        except (LinkDown, ProtocolError) as problem:
            await self._face_silence(problem)
        else:
            crash_point("answer_read")
            self._hear_again()
            self._interval_seconds = answer.interval_seconds
            self._beat_answered()
            self._has_left = bool(leaving)
            if self._source.answered(answer, time.monotonic() - due_at, sent_at):
                self._pause_seconds = _FIRST_PAUSE_SECONDS
            else:
                await self._back_off()
            crash_point("answer_applied")
        return not self._has_left

    async def _face_silence(self, problem: Exception) -> None:
        if not self._is_away:
            self._is_away = True
            self._announce(f"no answer from the server at {self._server}: {problem}; trying again until there is one")
        self.connected = False
        self._wanted.set()
        await self._back_off()

    def _hear_again(self) -> None:
        self.connected = True
        if self._is_away:
            self._is_away = False
            self._announce(f"the server at {self._server} answers again")

    async def _back_off(self) -> None:
        """Wait, each time twice as long, and never in step with the other clients."""
        await self._pause(self._pause_seconds * random.uniform(0.5, 1.0))
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)

    async def _pause(self, seconds: float) -> None:
        self._hurried.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._hurried.wait()
        except TimeoutError:
            pass
