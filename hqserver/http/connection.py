"""One HTTP/1.1 connection: h11 frames, the rules judge, the workers answer.

A protocol and not a coroutine for each connection: a waiting connection is a small object and costs no task, and a
`ping` is answered within `data_received`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import replace
from math import inf

import h11

from hqserver.domain.crash import crash_point
from hqserver.http.answers import PONG, WEB_HEADERS, XML, ZIPPED, is_ping, pong_head, response_head
from hqserver.http.bodies import IncomingBody
from hqserver.http.crowd import Phase
from hqserver.http.events import EVENTS_HEADERS, EVENTS_PATH, EVENTS_TYPE, EventStreams
from hqserver.http.messages import LARGEST_HEAD, Head, Refusal, web_request
from hqserver.http.rules import RPC_PATHS, bearer, check_call, check_page, is_gzip, plain_address
from hqserver.http.sender import Sender
from hqserver.http.site import Site
from hqserver.http.sockets import tune
from hqserver.http.workers import refused
from hqserver.rpc.faults import record_incident
from hqserver.rpc.method import Caller
from hqserver.services.retries import Attempt
from hqserver.spool import Spooled
from hqserver.web import WebResponse

_TURN = 32  # requests of one connection answered before others get their turn


class Connection(asyncio.Protocol):
    """Reads requests one after the other and answers each before it looks at the next."""

    def __init__(self, site: Site) -> None:
        self.phase, self.deadline = Phase.IDLE, inf
        self._site, self._crowd = site, site.crowd
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD)
        self._transport: asyncio.Transport
        self._out = Sender(self._http, site, self._allow_writing)
        self._reading = True
        self._head: Head | None = None
        self._body = IncomingBody(self._crowd)
        self._ahead = 0  # bytes of requests that came before the one at hand was answered
        self._attempt: Attempt | None = None
        self._stream: asyncio.Task[None] | None = None

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = self._out.transport = transport
        transport.set_write_buffer_limits(high=0)  # who reads slowly holds one piece of its answer in memory, no more
        self._loop = asyncio.get_running_loop()
        connection = transport.get_extra_info("socket")
        if connection is not None:
            tune(connection)
        self._peer = plain_address((transport.get_extra_info("peername") or ("",))[0])
        self._local = plain_address((transport.get_extra_info("sockname") or ("",))[0])
        self.deadline = self._loop.time() + self._crowd.limits.head_seconds
        if self._site.stopping.is_set() or not self._crowd.admit(self):
            self.abort()

    def data_received(self, data: bytes) -> None:
        if self.phase is Phase.LINGERING:
            return
        self._http.receive_data(data)
        if self.phase is Phase.ANSWERING or not self._out.writable.is_set():
            # The next request came before this one was answered: it waits here, the rest of it with the peer.
            self._transport.pause_reading()
            self._reading = False
            try:
                self._crowd.hold(len(data))
                self._ahead += len(data)
            except Refusal:
                self.abort()
        else:
            self._advance()

    def eof_received(self) -> bool:
        if self.phase is Phase.ANSWERING:
            self._http.receive_data(b"")
            self._hang_up()
            return True  # the peer may still read
        return False

    def pause_writing(self) -> None:
        self._out.writable.clear()

    def resume_writing(self) -> None:
        self._out.writable.set()
        if self.phase is not Phase.ANSWERING:
            self._go_on()

    def connection_lost(self, problem: Exception | None) -> None:
        self._out.open = False
        self._out.writable.set()
        self._hang_up()
        if self.phase is not Phase.ANSWERING:  # else a worker may be reading it
            self._body.drop()
        self._taken_up()
        self._crowd.remove(self)
        if self._stream is not None:
            self._stream.cancel()  # its place is free for another at once

    def abort(self) -> None:
        """Close at once, whatever is unsent."""
        self._transport.abort()

    def _hang_up(self) -> None:
        if self._attempt is not None:
            self._attempt.hang_up()

    def close_if_idle(self) -> None:
        """Close unless a request is being read or answered."""
        if self.phase is Phase.IDLE:
            self._transport.close()

    # Reading

    def _taken_up(self) -> None:
        self._crowd.buffered -= self._ahead
        self._ahead = 0

    def _go_on(self) -> None:
        self._taken_up()
        self._resume_reading()
        self._advance()

    def _resume_reading(self) -> None:
        if not self._reading and self._out.open:
            self._reading = True
            self._transport.resume_reading()

    def _advance(self) -> None:
        """Take what has been received as far as it goes: into a request that is being read, or that is complete."""
        turns = 0
        try:
            while self._out.ready and self.phase not in (Phase.ANSWERING, Phase.LINGERING):
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    self._wait_for_more()
                    return
                if isinstance(event, h11.Request):
                    self._begin(Head.of(event))
                elif isinstance(event, h11.Data):
                    self._body.write(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    self._answer()
                    turns += 1
                    if turns == _TURN:
                        self._loop.call_soon(self._advance)
                        return
                else:
                    self._transport.close()
                    return
        except Refusal as refusal:
            self._refuse(refusal)
        except h11.RemoteProtocolError as problem:
            self._refuse(Refusal(problem.error_status_hint, f"not HTTP: {problem}"))

    def _wait_for_more(self) -> None:
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            self._out.write(go_on)
        elif self.phase is Phase.IDLE and self._http.trailing_data[0]:
            self._enter(Phase.HEAD, self._crowd.limits.head_seconds)

    def _begin(self, head: Head) -> None:
        """Judge a request by its head; a call's body is read only when it may be sent."""
        self._head = head
        self._site.networks.check(self._peer)
        self._site.hosts.check(head, self._local)
        if head.method in ("GET", "HEAD"):
            check_page(head)
        elif head.method == "POST":
            length = check_call(head)
            self._caller = Caller(peer=self._peer, secret=bearer(head), nonil=RPC_PATHS[head.path])
            self._limit = self._site.body_limit(self._caller)
            if length > self._limit:
                raise Refusal(413, f"a body of {length} bytes; at most {self._limit} are taken here")
            self._body.expect(length, self._site.spool)
            limits = self._crowd.limits
            self._enter(Phase.BODY, limits.body_seconds + length / limits.slowest_rate)
        else:
            raise Refusal(405, f"{head.method[:20]} is not served here", {"Allow": "GET, HEAD, POST"})

    # Answering

    def _answer(self) -> None:
        head = self._head
        assert head is not None
        if head.method == "POST":
            body = self._body.whole()
            if not is_gzip(head) and is_ping(body):
                self._body.drop()
                stopping = self._site.stopping.is_set()
                self._out.send_small(pong_head(int(time.time()), stopping), PONG)
                self._next_request()
                return
            caller = self._caller
            self._attempt = self._site.attempt(f"{caller.peer} {caller.user} {caller.secret}", body)
            work = self._answer_call(head, body)
        elif self._site.events is not None and head.path == EVENTS_PATH:
            work = self._answer_events(head, self._site.events)
        else:
            work = self._answer_page(head)
        self._enter(Phase.ANSWERING, inf)
        task = self._loop.create_task(self._guarded(work))
        self._stream = task if head.path == EVENTS_PATH else None
        self._site.tasks.add(task)
        task.add_done_callback(self._site.tasks.discard)

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        """Answer and go on to the next request; what fails on the way ends in a refusal, not in silence."""
        try:
            await work
        except Refusal as refusal:
            self._refuse(refusal)
        except Exception as problem:
            self._refuse(Refusal(503, f"the answer failed, incident {record_incident(problem, 'an answer')}"))
        else:
            if self._out.open:
                self._next_request()
                self._go_on()

    async def _answer_call(self, head: Head, body: bytes | Spooled) -> None:
        may_zip = head.accepts_gzip and not self._site.is_local(self._peer)
        unzip_to = self._limit if is_gzip(head) else 0
        attempt = self._attempt
        caller = replace(self._caller, attempt=attempt)
        try:
            try:
                answer, is_zipped = await self._site.workers.call(body, caller, unzip_to=unzip_to, zip_answer=may_zip)
            except asyncio.CancelledError:
                self._body = IncomingBody(self._crowd)  # a worker may be reading the old one
                raise
            finally:
                self._body.drop()
            headers = ZIPPED if is_zipped else {}
            if attempt is None or not attempt.matters:
                await self._send(WebResponse(answer, 200, XML, headers))
                return
            crash_point("reply_before_written")
            await self._send(WebResponse(answer, 200, XML, headers), must_fit=True)
            if await self._out.handed_over():
                attempt.answered()
        finally:
            self._attempt = None
            if attempt is not None:
                attempt.ended()

    async def _answer_page(self, head: Head) -> None:
        may_zip = head.accepts_gzip and not self._site.is_local(self._peer)
        request = web_request(head, self._peer)
        response, is_zipped = await self._site.workers.page(request, zip_answer=may_zip)
        headers = {**WEB_HEADERS, **response.headers, **(ZIPPED if is_zipped else {})}
        await self._send(replace(response, headers=headers))

    async def _answer_events(self, head: Head, streams: EventStreams) -> None:
        """Send events for as long as the peer takes them and the server runs; one that is too slow is dropped."""
        with streams.open(web_request(head, self._peer)) as pieces:
            headers = {**WEB_HEADERS, **EVENTS_HEADERS}
            self._out.write(response_head(WebResponse(iter(()), 200, EVENTS_TYPE, headers), closing=True))
            async with aclosing(pieces):
                async for piece in pieces:
                    if head.method == "HEAD" or not self._out.open:
                        break
                    await self._out.send_piece(piece)
        self._out.write(h11.EndOfMessage())

    async def _send(self, response: WebResponse, *, must_fit: bool = False) -> None:
        bodiless = self._head is not None and self._head.method == "HEAD"
        await self._out.send(response, bodiless=bodiless, must_fit=must_fit)

    def _allow_writing(self, count: float) -> None:
        limits = self._crowd.limits
        self._enter(Phase.ANSWERING, limits.write_seconds + count / limits.slowest_rate)

    def _refuse(self, refusal: Refusal) -> None:
        """Say no and close. What the peer still sends is read for a moment: closing on it would lose the answer."""
        self._body.drop()
        if not self._out.open:
            return
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.abort()  # in the midst of an answer: only a cut connection says that it is not whole
            return
        response = refused(refusal)
        headers = {**WEB_HEADERS, **response.headers}
        bodiless = self._head is not None and self._head.method == "HEAD"
        body = response.body if isinstance(response.body, bytes) and not bodiless else b""
        self._out.send_small(response_head(replace(response, headers=headers), closing=True), body)
        self._transport.write_eof()
        self._enter(Phase.LINGERING, self._crowd.limits.linger_seconds)
        self._resume_reading()

    def _next_request(self) -> None:
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._head = None
            self._enter(Phase.IDLE, self._crowd.limits.idle_seconds)
        else:
            self._enter(Phase.LINGERING, self._crowd.limits.write_seconds)
            self._transport.close()

    def _enter(self, phase: Phase, seconds: float) -> None:
        if self._out.open:
            self._crowd.move(self, phase, self._loop.time() + seconds)
