"""The API reference that is written from the registry."""

from __future__ import annotations

from hqserver.rpc.method import Attribs, Id, Registry, rpc
from hqserver.rpc.reference import reference


class Toys:
    """Things to play with."""

    @rpc("getToy", "gettoy", deprecated="getToys", since="12")
    def toy(self, toy_id: Id, parent: Id | None, attribs: Attribs = None, limit: int = 5) -> dict[str, object]:
        """One toy.

        Fault 404 for an unknown id.
        """
        return {}

    @rpc("makeToy", idempotent=False)
    def make(self) -> int:
        """A new toy's id."""
        return 1

    @rpc("hidden", internal=True)
    def hidden(self) -> int:
        """For daemons."""
        return 1


PAGE = reference(Registry.from_surfaces([Toys()]), {"Attributes of a toy": [("size", "Small | large.", "stored")]})


def test_each_method_stands_under_its_subject_with_its_signature() -> None:
    assert "## Toys\n\nThings to play with.\n" in PAGE
    signature = "getToy(toy_id: int, parent: int or nil, attribs: array = nil, limit: int = 5) -> struct"
    assert f"### getToy\n\n`{signature}`\n" in PAGE
    assert PAGE.index("## Toys") < PAGE.index("### getToy") < PAGE.index("### makeToy")


def test_aliases_deprecation_docstring_and_since_are_told() -> None:
    assert "Also called `gettoy`." in PAGE
    assert "Deprecated: use `getToys`." in PAGE
    assert "One toy.\n\nFault 404 for an unknown id.\n" in PAGE
    assert "Since Houdini 12." in PAGE
    assert "Not idempotent" in PAGE


def test_the_daemons_methods_are_left_out() -> None:
    assert "hidden" not in PAGE


def test_attributes_are_a_table() -> None:
    assert "## Attributes of a toy\n\n| attribute | meaning | cost |\n| --- | --- | --- |\n" in PAGE
    assert "| `size` | Small \\| large. | stored |\n" in PAGE


def test_the_page_is_the_same_each_time() -> None:
    assert reference(Registry.from_surfaces([Toys()])) == reference(Registry.from_surfaces([Toys()]))
