"""Where exceptions become faults: one code, one sentence, never a Python class name (CONTRACT 9.1)."""

from __future__ import annotations

import inspect
import logging
import secrets
from xmlrpc.client import Fault

from hqserver.domain.errors import FarmError

_log = logging.getLogger(__name__)


class NotWellFormed(FarmError):
    """The request is not well-formed XML."""

    code = -32700


class UnknownEncoding(FarmError):
    """The request is written in a character encoding that is not read here."""

    code = -32701


class InvalidRequest(FarmError):
    """The request is XML, but not an XML-RPC call."""

    code = -32600


class UnknownMethod(FarmError):
    """The farm has no such method."""

    code = -32601


INTERNAL = -32603
"""The code of what should not have happened; the sentence carries an incident id and nothing else."""


def fault_of(problem: Exception, doing: str) -> Fault:
    """The fault a caller gets for `problem`.

    Anything but a `FarmError` is our own mistake: it goes to the log with its traceback, under the incident
    id that the caller is told. `doing` says in the log what was being done (`getJob`).
    """
    if isinstance(problem, Fault):
        return problem
    if isinstance(problem, FarmError):
        sentence = str(problem) or inspect.cleandoc(type(problem).__doc__ or "").partition("\n")[0]
        return Fault(int(problem.code), sentence)
    return Fault(INTERNAL, f"internal error, incident {record_incident(problem, doing)}")


def record_incident(problem: Exception, doing: str) -> str:
    """Write `problem` to the log with its traceback and return the id under which it stands there."""
    incident = secrets.token_hex(3).upper()
    _log.error("incident %s in %s", incident, doing, exc_info=problem)
    return incident
