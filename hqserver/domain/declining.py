"""Why a client takes no new work, as its daemon says it in a beat (PROTOCOL.md, `declining`)."""

from __future__ import annotations

from enum import StrEnum


class Declining(StrEnum):
    """`TROUBLE`: it could not start a run for a reason of its own, and rests for a while."""

    DRAINING = "draining"
    DISK = "disk"
    TROUBLE = "trouble"


_SENTENCES: dict[str, str] = {
    Declining.DRAINING: "takes no new work: it is draining",
    Declining.DISK: "takes no new work: its disk is nearly full",
    Declining.TROUBLE: "takes no new work for half a minute: it could not start a run",
}
_REMEDIES: dict[str, str] = {
    Declining.DRAINING: "start the daemon of {client} anew",
    Declining.DISK: "make room on the disk of {client}, where its daemon keeps its data",
    Declining.TROUBLE: "wait, and see what {client} says: hq errors {client}",
}


def sentence(word: str) -> str:
    """What people are told. A daemon of older code gives no `word`, one of newer code perhaps one unknown here."""
    return _SENTENCES.get(word, "takes no new work (it is draining or its disk is nearly full)")


def remedy(word: str, client: str) -> str:
    """What would have the client take work again."""
    found = _REMEDIES.get(word, "{client} takes work again when its disk has room, or its daemon is started anew")
    return found.format(client=client)
