"""Tables that fit the terminal: one column gives way first, then whole columns do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .screen import Screen, columns_of, harmless, shortened

_GAP = 2
_NARROWEST = 12
"""Columns that the flexible column keeps before others are left out."""


@dataclass(frozen=True, slots=True)
class Column:
    """`flexible` columns are cut to fit. The lower its `rank`, the sooner one is left out; 0 never is."""

    heading: str
    right: bool = False
    flexible: bool = False
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, made harmless when it is shown, and the style it is painted in."""

    text: object
    style: str = ""


def table_lines(screen: Screen, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[str]:
    """The lines of a table, headings first, none wider than the screen if that can be had."""
    texts = [[harmless(cell.text) for cell in row] for row in rows]
    widths = [
        max([columns_of(column.heading), *(columns_of(row[index]) for row in texts)])
        for index, column in enumerate(columns)
    ]
    shown = list(range(len(columns)))
    if screen.width is not None:
        _fit(screen.width, columns, widths, shown)
    lines = [_line(screen, columns, widths, shown, [(column.heading, "heading") for column in columns])]
    for row, row_texts in zip(rows, texts, strict=True):
        cells = [(text, cell.style) for text, cell in zip(row_texts, row, strict=True)]
        lines.append(_line(screen, columns, widths, shown, cells))
    return lines


def _fit(width: int, columns: Sequence[Column], widths: list[int], shown: list[int]) -> None:
    """Take columns out of `shown` and narrow the flexible ones in `widths` until the table fits."""

    def excess() -> int:
        return sum(widths[index] for index in shown) + _GAP * (len(shown) - 1) - width

    def spare() -> int:
        return sum(max(0, widths[index] - _NARROWEST) for index in shown if columns[index].flexible)

    for index in sorted((each for each in shown if columns[each].rank), key=lambda each: columns[each].rank):
        if excess() <= spare():
            break
        shown.remove(index)
    for index in shown:
        if columns[index].flexible:
            widths[index] -= max(0, min(excess(), widths[index] - _NARROWEST))


def _line(
    screen: Screen,
    columns: Sequence[Column],
    widths: Sequence[int],
    shown: Sequence[int],
    cells: Sequence[tuple[str, str]],
) -> str:
    parts = []
    for index in shown:
        text, style = cells[index]
        text = shortened(text, widths[index], screen.ellipsis)
        padding = " " * (widths[index] - columns_of(text))
        painted = screen.paint(text, style)
        parts.append(padding + painted if columns[index].right else painted + padding)
    return (" " * _GAP).join(parts).rstrip()
