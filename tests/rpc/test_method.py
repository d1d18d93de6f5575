"""How methods are declared, registered and called."""

from __future__ import annotations

from typing import Any

import pytest

from hqserver.domain.errors import BadParameters, TooLarge
from hqserver.rpc.method import MOST_IDS, Attribs, Caller, Id, Ids, Method, Registry, rpc


class Toys:
    """Methods to play with."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    @rpc("getToy", "gettoy", since="12")
    def toy(self, toy_id: Id, attribs: Attribs = None) -> dict[str, object]:
        """One toy."""
        return {"id": toy_id, "attribs": attribs}

    @rpc("breakToys", idempotent=False)
    def break_toys(self, caller: Caller, toy_ids: Ids) -> None:
        """Break them."""
        self.seen.append((caller.peer, toy_ids))

    @rpc("describe")
    def describe(
        self, text: str, loud: bool = False, volume: float = 0.5, names: list[str] | None = None, limit: int = 5
    ) -> list[object]:
        """All that was given."""
        return [text, loud, volume, names, limit]

    @rpc("anything")
    def anything(self, value: dict[str, Any] | list[Any] | str, other: Any = None) -> object:
        """What was given."""
        return value

    @rpc("fails")
    def fails(self) -> int:
        """A mistake in the method itself."""
        return len(5)  # type: ignore[arg-type]


def method(name: str) -> Method:
    found = Registry.from_surfaces([Toys()]).find(name)
    assert found is not None
    return found


def call(name: str, *params: object) -> object:
    return method(name).call(params, Caller())


def test_a_method_is_found_by_each_of_its_names() -> None:
    assert method("gettoy").name == method("getToy").name == "getToy"
    assert method("getToy").aliases == ("gettoy",)


@pytest.mark.parametrize("toy_id", [17, "17", " 17 ", 17.0])
def test_an_id_is_taken_as_a_number_or_as_text_of_one(toy_id: object) -> None:
    assert call("getToy", toy_id) == {"id": 17, "attribs": None}


@pytest.mark.parametrize("toy_id", ["", "x", "1.5", 1.5, None, True, [1], {}, "9" * 20, "١٧", 1e300])
def test_what_is_no_id_is_refused_by_parameter_and_value(toy_id: object) -> None:
    """9.1: the sentence names the value and its place."""
    with pytest.raises(BadParameters, match=r"getToy: toy_id must be an id"):
        call("getToy", toy_id)


def test_an_empty_string_counts_as_none_for_what_is_optional() -> None:
    """9.2"""
    assert call("getToy", 1, "") == {"id": 1, "attribs": None}
    assert call("describe", "", "", "", "", "") == ["", False, 0.5, None, 5]


def test_none_for_an_optional_parameter_is_its_default() -> None:
    assert call("describe", "a", None, None, None, None) == ["a", False, 0.5, None, 5]


def test_blank_entries_of_an_id_list_are_skipped() -> None:
    """9.5"""
    toys = Toys()
    found = Registry.from_surfaces([toys]).find("breakToys")
    assert found is not None
    assert found.call([["1", "", 2, "  "]], Caller(peer="10.0.0.1")) is True
    assert toys.seen == [("10.0.0.1", [1, 2])]


def test_a_bad_entry_of_a_list_is_named_by_its_place() -> None:
    with pytest.raises(BadParameters, match=r"breakToys: toy_ids\[1\] must be an id .* not 'x'"):
        call("breakToys", [1, "x"])
    with pytest.raises(BadParameters, match=r"describe: names\[1\] must be text, not True"):
        call("describe", "", False, 1, ["a", True])


def test_more_ids_than_one_call_may_carry_are_refused() -> None:
    assert call("breakToys", [1] * MOST_IDS) is True
    with pytest.raises(TooLarge, match="100001 ids"):
        call("breakToys", [1] * (MOST_IDS + 1))


@pytest.mark.parametrize(("given", "meant"), [(0, False), (1, True), (True, True)])
def test_zero_and_one_are_booleans(given: object, meant: bool) -> None:
    assert call("describe", "", given) == ["", meant, 0.5, None, 5]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (["", 2], "loud must be true or false, not 2"),
        (["", "yes"], "loud must be true or false"),
        (["", True, "loud"], "volume must be a number, not 'loud'"),
        ([True], "text must be text, not True"),
        (["", True, 1, "a"], "names must be a list"),
        (["", True, 1, ["a"], "b" * 100], r"limit must be a whole number, not 'bbb.*\.\.\."),
    ],
)
def test_a_wrong_type_is_refused_by_parameter_and_value(params: list[object], sentence: str) -> None:
    """9.1"""
    with pytest.raises(BadParameters, match=f"describe: {sentence}"):
        call("describe", *params)


def test_a_number_is_taken_where_text_is_wanted() -> None:
    """9.2: Perl's libraries send as a number whatever looks like one."""
    assert call("describe", 42, None, None, [7, "b"])[:4] == ["42", False, 0.5, ["7", "b"]]  # type: ignore[index]
    assert call("describe", 0.25)[0] == "0.25"  # type: ignore[index]


def test_numbers_are_taken_as_text_too() -> None:
    assert call("describe", "", False, "0.25", [], "7") == ["", False, 0.25, [], 7]
    assert call("describe", "", False, "2", [], 7.0) == ["", False, 2.0, [], 7]


@pytest.mark.parametrize("value", [{"a": 1}, [1], "text", ""])
def test_a_parameter_may_take_one_of_several_types(value: object) -> None:
    assert call("anything", value) == value


def test_a_parameter_of_several_types_refuses_the_others() -> None:
    with pytest.raises(BadParameters, match="value must be a struct or a list or text, not 5"):
        call("anything", 5)


@pytest.mark.parametrize("params", [[], [1, None, 3]])
def test_the_wrong_number_of_parameters_is_answered_with_the_usage(params: list[object]) -> None:
    """9.2: wrong arity is a fault, not a guess."""
    with pytest.raises(BadParameters, match=r"given; the call is getToy\(toy_id, attribs=None\)"):
        call("getToy", *params)


def test_a_type_error_inside_a_method_is_not_taken_for_a_bad_call() -> None:
    with pytest.raises(TypeError):
        call("fails")


def test_a_method_that_returns_nothing_answers_true() -> None:
    """9.2"""
    assert method("breakToys").result == "boolean"
    assert call("breakToys", []) is True


def test_the_caller_is_no_parameter_of_the_wire() -> None:
    assert method("breakToys").usage == "breakToys(toy_ids)"


def test_what_a_method_says_of_itself_is_kept() -> None:
    toy = method("getToy")
    assert (toy.doc, toy.since, toy.subject, toy.result, toy.idempotent) == ("One toy.", "12", "Toys", "struct", True)
    assert [parameter.kind.wire for parameter in toy.parameters] == ["int", "array"]
    assert not method("breakToys").idempotent


def test_internal_methods_answer_but_are_not_listed() -> None:
    class Daemon:
        """For daemons."""

        @rpc("clientBeat", internal=True)
        def beat(self) -> None:
            """A beat."""

    registry = Registry.from_surfaces([Daemon()])
    assert registry.find("clientBeat") is not None
    assert registry.names() == []
    assert registry.names(internal=True) == ["clientBeat"]


def test_two_methods_of_one_name_are_an_error() -> None:
    with pytest.raises(TypeError, match="two RPC methods are called 'getToy'"):
        Registry.from_surfaces([Toys(), Toys()])


def undocumented() -> object:
    class Surface:
        @rpc("quiet")
        def quiet(self) -> int:
            return 1

    return Surface()


def unannotated() -> object:
    class Surface:
        @rpc("vague")
        def vague(self, x) -> int:  # type: ignore[no-untyped-def]
            """Vague."""
            return 1

    return Surface()


def without_result() -> object:
    class Surface:
        @rpc("void")
        def void(self):  # type: ignore[no-untyped-def]
            """Void."""

    return Surface()


def with_keywords() -> object:
    class Surface:
        @rpc("keyed")
        def keyed(self, *, x: int) -> int:
            """Keyed."""
            return x

    return Surface()


def with_unknown_type() -> object:
    class Surface:
        @rpc("complex")
        def complex(self, x: complex) -> int:
            """Complex."""
            return 1

    return Surface()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (undocumented, "quiet .* has no docstring"),
        (unannotated, "vague .* x has no annotation"),
        (without_result, "void .* does not say what it returns"),
        (with_keywords, "keyed .* only positions"),
        (with_unknown_type, "complex .* cannot be a parameter"),
    ],
)
def test_a_sloppy_declaration_is_an_error_at_registration(make: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence):
        Registry.from_surfaces([make()])


def test_a_secret_is_not_shown_when_a_caller_is() -> None:
    assert "hush" not in repr(Caller(secret="hush"))
