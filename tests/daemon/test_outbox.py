from __future__ import annotations

import asyncio
import os
import secrets
import stat
from pathlib import Path
from typing import Any

import pytest

from hqclient.daemon import outbox as outbox_module
from hqclient.daemon.outbox import Accepted, Ledger, Outbox, Queued, Settled


def a_report(run: str) -> dict[str, Any]:
    return {"id": f"{run}:ended", "run": run, "kind": "ended", "exitCode": 0, "reason": 'a "line"\nand ünï'}


def written(path: Path, *entries: Any) -> None:
    """Open the outbox, write, and close it."""

    async def write() -> None:
        outbox = Outbox(path)
        try:
            await asyncio.gather(*(outbox.post(entry) for entry in entries))
        finally:
            await outbox.close()

    asyncio.run(write())


def read(path: Path) -> Ledger:
    async def look() -> Ledger:
        outbox = Outbox(path)
        await outbox.close()
        return outbox.ledger

    return asyncio.run(look())


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    path, report = tmp_path / "outbox", a_report("c")
    written(path, Accepted("a"), Accepted("b"), Accepted("c"), Queued(report), Settled("b"))
    ledger = read(path)
    assert list(ledger.held) == ["a", "c"]
    assert list(ledger.settled) == ["b"]
    assert ledger.reports == {"c": report}


def test_settling_a_run_settles_its_report(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    written(path, Accepted("a"), Queued(a_report("a")))
    written(path, Settled("a"))
    ledger = read(path)
    assert (ledger.held, ledger.reports) == ({}, {})


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    written(tmp_path / "outbox", Accepted("a"))
    assert stat.S_IMODE((tmp_path / "outbox").stat().st_mode) == 0o600


@pytest.mark.parametrize("cut", range(2, 46, 4))
def test_a_torn_last_line_is_left_out_and_does_not_harm_the_next(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "outbox"
    written(path, Accepted("a" * 32))
    whole = path.stat().st_size
    written(path, Accepted("b" * 32))
    os.truncate(path, max(path.stat().st_size - cut, whole + 1))
    written(path, Accepted("c" * 32))
    assert list(read(path).held) == ["a" * 32, "c" * 32]


def test_a_damaged_line_in_the_middle_costs_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    written(path, Accepted("a"), Accepted("b"), Accepted("c"))
    path.write_bytes(path.read_bytes().replace(b'"b"', b'"B"'))
    assert list(read(path).held) == ["a", "c"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\0" * 5000, b"{}\n", b"00000000 []\n", os.urandom(3000)])
def test_a_file_that_holds_nothing_of_ours_is_an_empty_outbox(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "outbox"
    path.write_bytes(content)
    assert read(path) == Ledger()


def test_entries_that_arrive_together_cost_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs = []
    really = outbox_module._write_synced

    def counted(descriptor: int, content: bytes) -> None:
        syncs.append(content.count(b"\n"))
        really(descriptor, content)

    monkeypatch.setattr(outbox_module, "_write_synced", counted)
    written(tmp_path / "outbox", *(Accepted(str(number)) for number in range(500)))
    assert sum(syncs) == 500
    assert len(syncs) < 5


@pytest.mark.slow
def test_it_stays_small_however_many_runs_pass_and_remembers_the_last(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    runs = [secrets.token_hex(16) for _ in range(12_000)]
    kept = a_report("kept")
    written(path, Accepted("kept"), Queued(kept))
    for first in range(0, len(runs), 1_000):
        some = runs[first : first + 1_000]
        written(path, *map(Accepted, some), *(Queued(a_report(run)) for run in some), *map(Settled, some))
    ledger = read(path)
    assert list(ledger.settled) == runs[-10_000:]
    assert (list(ledger.held), ledger.reports) == (["kept"], {"kept": kept})
    assert path.stat().st_size < 4_000_000


def test_a_compaction_that_fails_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "outbox"
    monkeypatch.setattr(outbox_module, "_SLACK_LINES", 10)
    path.with_suffix(".new").mkdir()
    written(path, Accepted("kept"), *[Settled("x")] * 50, Accepted("last"))
    assert list(read(path).held) == ["kept", "last"]


def test_a_crash_between_compaction_and_renaming_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    written(path, Accepted("a"))
    path.with_suffix(".new").write_bytes(b"half a li")
    assert list(read(path).held) == ["a"]


def test_entries_that_cannot_be_written_are_not_taken_and_the_next_ones_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = outbox_module._write_synced

    def full(descriptor: int, content: bytes) -> None:
        os.write(descriptor, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    async def write() -> None:
        outbox = Outbox(tmp_path / "outbox")
        await outbox.write(Accepted("a"))
        monkeypatch.setattr(outbox_module, "_write_synced", full)
        with pytest.raises(OSError, match="No space"):
            await outbox.write(Accepted("b"))
        monkeypatch.setattr(outbox_module, "_write_synced", really)
        await outbox.write(Accepted("c"))
        await outbox.close()

    asyncio.run(write())
    assert list(read(tmp_path / "outbox").held) == ["a", "c"]
