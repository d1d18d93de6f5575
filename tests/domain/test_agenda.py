"""Agendas: how a range or a list becomes pieces, and what a command learns of its piece (CONTRACT 10)."""

from __future__ import annotations

from typing import Any

import pytest

from hqserver.domain.agenda import LONGEST_PIECE_NAME, Agenda, Piece, fill_in, piece_environment
from hqserver.domain.errors import BadSpecification
from hqserver.domain.jobspec import parse_jobspec


def agenda(**properties: Any) -> Agenda:
    (spec,) = parse_jobspec({"name": "a", "command": "render", **properties}, refuse_unknown=True)
    assert spec.agenda is not None
    return spec.agenda


def refusal(**properties: Any) -> str:
    with pytest.raises(BadSpecification) as refused:
        parse_jobspec({"name": "a", "command": "render", **properties}, refuse_unknown=True)
    return str(refused.value)


def names(of: Agenda) -> list[str]:
    """Names of the pieces in the order in which they are worked on."""
    return [piece.name for _, piece in sorted(zip(of.places, of.pieces, strict=True), key=lambda pair: pair[0])]


def test_a_range_is_a_piece_a_frame() -> None:
    assert agenda(agenda="1-3").pieces == (Piece("1", 1, 1, "1"), Piece("2", 2, 2, "2"), Piece("3", 3, 3, "3"))


def test_frames_are_cut_into_chunks_or_partitions() -> None:
    assert names(agenda(agenda="1-10", chunk=4)) == ["1-4", "5-8", "9-10"]
    assert names(agenda(agenda="-100--91", partitions=3)) == ["-100--98", "-97--95", "-94--91"]
    assert names(agenda(agenda="1-9x2,20", chunk=3)) == ["1-5x2", "7,9,20"]
    assert agenda(agenda="1-9x2", chunk=5).pieces == (Piece("1-9x2", 1, 9, "1-9x2"),)


def test_pieces_are_worked_on_as_written_or_in_the_order_asked_for() -> None:
    assert names(agenda(agenda="9,1-3")) == ["9", "1", "2", "3"]
    assert names(agenda(agenda="9,1-3", order="ascend")) == ["1", "2", "3", "9"]
    assert names(agenda(agenda="1-6", chunk=2, order="descend")) == ["5-6", "3-4", "1-2"]
    assert names(agenda(agenda="1-20", order="binary"))[:5] == ["1", "20", "11", "6", "16"]
    assert [piece.name for piece in agenda(agenda="1-4", order="binary").pieces] == ["1", "2", "3", "4"]


def test_a_list_of_pieces_keeps_names_frames_and_packages() -> None:
    given = [{"name": "left", "first": 1, "last": 5, "package": {"eye": "l"}}, {"first": "7"}, "25-29", "a shot", 4]
    assert agenda(agenda=given).pieces == (
        Piece("left", 1, 5, "1-5", {"eye": "l"}),
        Piece("7", 7, 7, "7"),
        Piece("25-29", 25, 29, "25-29"),
        Piece("a shot"),
        Piece("4", 4, 4, "4"),
    )


def test_frames_without_rule_in_one_chunk_have_a_name_that_is_no_novel() -> None:
    frames = [str(number * number) for number in range(100)]
    (piece,) = agenda(agenda=",".join(frames), chunk=100).pieces
    assert len(piece.name) <= LONGEST_PIECE_NAME
    assert piece.frames.endswith(",9604,9801")


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"agenda": "1-x"}, "agenda has the part '1-x', which is no frame range"),
        ({"agenda": "1-300000"}, "agenda has 300000 pieces, more than 250000; chunk"),
        ({"agenda": "1-9", "chunk": 2, "partitions": 2}, "agenda is cut by chunk or by partitions, not by both"),
        ({"agenda": ["a"], "chunk": 2}, "agenda is a list of pieces, which neither chunk nor partitions cuts"),
        ({"agenda": ["a", "b", "a"]}, "agenda names two pieces 'a'"),
        ({"agenda": [{"nam": "a"}]}, "agenda has an entry [0] with the key 'nam'; did you mean 'name'?"),
        ({"agenda": ["a", {"last": 3}]}, "agenda has an entry [1] that has a last frame and no first"),
        ({"agenda": [{}]}, "agenda has an entry [0] that must have a name or a first frame"),
        ({"agenda": [["a"]]}, "agenda has an entry [0] that is no dictionary"),
        ({"agenda": {"a": 1}}, "agenda must be a frame range"),
        ({"agenda": "1-9", "order": "bin"}, "order must be ascend, descend or binary; did you mean 'binary'?"),
        ({"chunk": 2}, "chunk says how an agenda is cut, and there is no agenda"),
        ({"agenda": "1-9", "command": ""}, "agenda needs a command"),
        ({"agenda": "1-9", "onError": "x"}, "onError belongs to a job without an agenda: give it to a parent"),
        ({"agenda": "1-9", "minHosts": 2}, "maxHosts must be 1 for a job with an agenda"),
    ],
)
def test_a_bad_agenda_is_refused_with_one_sentence(properties: dict[str, Any], words: str) -> None:
    assert words in refusal(**properties)


def test_what_is_empty_is_no_agenda() -> None:
    for empty in ("", " ", [], None):
        (spec,) = parse_jobspec(
            {"name": "a", "agenda": empty, "chunk": 0, "partitions": None, "order": ""}, refuse_unknown=True
        )
        assert spec.agenda is None


@pytest.mark.parametrize(
    ("command", "filled"),
    [
        ("render -f {frame}", "render -f 25"),
        ("render {frame:04d}.exr {frame:6}", "render 0025.exr     25"),
        ("render -s {first} -e {last} -f {frames}", "render -s 25 -e 29 -f 25-29x2"),
        (
            "echo ${frame} {other} {} {frame!r} {frames:3} ${first}",
            "echo ${frame} {other} {} {frame!r} {frames:3} ${first}",
        ),
        ("awk '{print $1}' {first}", "awk '{print $1}' 25"),
    ],
)
def test_numbers_are_filled_in_and_nothing_else_is_touched(command: str, filled: str) -> None:
    assert fill_in(command, Piece("x", 25, 29, "25-29x2")) == filled


def test_a_piece_without_numbers_fills_in_nothing() -> None:
    assert fill_in("render {frame}", Piece("a shot")) == "render {frame}"


def test_negative_frames_keep_their_sign_before_the_zeros() -> None:
    assert fill_in("{frame:04d}", Piece("-7", -7, -7, "-7")) == "-007"


def test_a_command_is_told_of_its_piece_by_variables() -> None:
    assert piece_environment(Piece("left", 1, 5, "1-5", {"eye": "é"})) == {
        "HQWORK": "left",
        "HQFRAME": "1",
        "HQFRAME_END": "5",
        "HQFRAMES": "1-5",
        "HQPACKAGE": '{"eye": "é"}',
    }
    assert piece_environment(Piece("a shot")) == {"HQWORK": "a shot"}
    assert piece_environment(Piece("")) == {}


def test_a_number_is_the_frame_of_that_number() -> None:
    for number in (5, 0, -10):
        assert names(agenda(agenda=number)) == [str(number)]
    assert agenda(agenda=[7]).pieces == agenda(agenda="7").pieces
    assert "must be a frame range" in refusal(agenda=True)
