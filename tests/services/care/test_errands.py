"""What the administrator asks of the running server, without a login and not for strangers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hqserver.domain.errors import Busy
from hqserver.services.care import errands
from hqserver.services.care.errands import ErrandFailed, ask


def double(word: str) -> list[str]:
    return [word, word]


def refuse(word: str) -> list[str]:
    raise Busy("not now")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The folder of a server that looks into it all the time."""
    found, stop = tmp_path / "errands", threading.Event()
    errands.forget_all(found)

    def serve() -> None:
        while not stop.wait(0.01):
            errands.run_errands(found, {"double": double, "refuse": refuse})

    thread = threading.Thread(target=serve)
    thread.start()
    yield found
    stop.set()
    thread.join()


def test_the_server_does_it_and_answers(folder: Path) -> None:
    assert ask(folder, "double", "x y", lambda: True) == ["x y", "x y"]
    assert list(folder.iterdir()) == []


def test_many_ask_at_once_and_each_gets_its_own_answer(folder: Path) -> None:
    answers: dict[str, list[str] | None] = {}
    threads = [
        threading.Thread(target=lambda word=str(n): answers.update({word: ask(folder, "double", word, lambda: True)}))
        for n in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == {str(n): [str(n), str(n)] for n in range(5)}


def test_the_servers_no_is_told(folder: Path) -> None:
    with pytest.raises(ErrandFailed, match="not now"):
        ask(folder, "refuse", "", lambda: True)


def test_where_the_server_ends_first_nobody_waits(tmp_path: Path) -> None:
    errands.forget_all(tmp_path / "errands")
    assert ask(tmp_path / "errands", "double", "", lambda: False) is None
    assert list((tmp_path / "errands").iterdir()) == []


def test_only_the_servers_user_can_ask(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_a_server_that_is_gone_was_asked_is_forgotten(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    errands.forget_all(other)
    (other / "x.asked").write_text("{}")
    (other / "y.answer").write_text("{}")
    errands.forget_all(other)
    assert list(other.iterdir()) == []
