"""What can go wrong for a caller of the farm: one tree of exceptions.

    HQError
    ├── BadAddress               the server's address cannot be used
    ├── FarmUnreachable          nobody answers there
    │   ├── AnswerLost           the call went out, no answer came: it may have been carried out
    │   └── BadAnswer            something answers that is no farm
    ├── NoStream                 no event stream is served there, or none more
    ├── WaitTimedOut             the jobs did not end in the time given
    ├── LockHeld                 somebody else has the lock
    ├── LockLost                 another may have the lock by now
    └── Refused                  the server said no, in one sentence and with a code
        ├── UnknownMethod        -32601
        ├── BadParameters        -32602
        ├── InternalError        -32603
        ├── BadSpecification     400
        ├── NotAuthenticated     401
        ├── NotAllowed           403
        ├── NotFound             404
        ├── Conflict             409
        ├── TooLarge             413
        ├── TooMany              429
        ├── Busy                 503
        └── DiskFull             507

The codes are those of CONTRACT 9.1. `str()` of each is the sentence to show.
"""

from __future__ import annotations

from collections.abc import Mapping


class HQError(Exception):
    """Anything the farm's client side raises."""


class BadAddress(HQError):
    """The server's address is not one that can be called."""


class FarmUnreachable(HQError):
    """No farm answers at the address."""


class AnswerLost(FarmUnreachable):
    """The call was sent and no answer came back. The server may have carried it out."""


class BadAnswer(FarmUnreachable):
    """Something answers at the address, but not in XML-RPC."""


class NoStream(HQError):
    """The server serves no stream of events, or none more. `status` is what it answered in HTTP."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(status, sentence)
        self.status = status

    def __str__(self) -> str:
        return str(self.args[1])


class WaitTimedOut(HQError):
    """The jobs did not end in the time given. `statuses` holds the last known ones by job id."""

    def __init__(self, sentence: str, statuses: Mapping[int, str]) -> None:
        super().__init__(sentence, statuses)
        self.statuses = dict(statuses)

    def __str__(self) -> str:
        return str(self.args[0])


class LockHeld(HQError):
    """Somebody else has the lock, and had it for as long as it was waited for."""


class LockLost(HQError):
    """A lock that was held is not any more, though it was not released: another may have it."""


class Refused(HQError):
    """The server refused the call. `code` is the XML-RPC fault code, `sentence` says why."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class UnknownMethod(Refused):
    """The server has no method of that name."""


class BadParameters(Refused):
    """The parameters are of the wrong number, type or range, or cannot travel in XML."""


class InternalError(Refused):
    """The server failed; its log says more."""


class BadSpecification(Refused):
    """The job specification cannot be accepted; the sentence names the place."""


class NotAuthenticated(Refused):
    """The server wants to know who calls."""


class NotAllowed(Refused):
    """This caller may not do this."""


class NotFound(Refused):
    """The farm has no such job, client or thread."""


class Conflict(Refused):
    """Not possible in the present status."""


class TooLarge(Refused):
    """More was sent or asked for than one call may carry."""


class TooMany(Refused):
    """Too many calls: slow down."""


class Busy(Refused):
    """The server is starting, shutting down or overloaded: try again."""


class DiskFull(Refused):
    """The server's disk is full."""


REFUSALS: dict[int, type[Refused]] = {
    -32601: UnknownMethod,
    -32602: BadParameters,
    -32603: InternalError,
    400: BadSpecification,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: TooMany,
    503: Busy,
    507: DiskFull,
}
"""The exception for each fault code; any other code is a plain `Refused`."""


def refusal(code: int, sentence: str) -> Refused:
    """The exception for a fault."""
    return REFUSALS.get(code, Refused)(code, sentence)
