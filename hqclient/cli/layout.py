"""A page about one thing: labelled facts, then sections. `hq show` and `hq client` are such pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hqclient.farm import Farm

from .screen import Screen, harmless
from .tables import Cell, Column, table_lines
from .words import local_time

_LABEL_COLUMNS = 14
_INDENT_COLUMNS = 2
_DATE_COLUMNS = 21


def print_facts(screen: Screen, facts: Mapping[str, Any]) -> None:
    """A line for each label and its value, several where the value has several; none where it says nothing."""
    for label, value in facts.items():
        if value is None or not str(value).strip():
            continue
        for number, part in enumerate(safe_lines(str(value))):
            shown_label = f"{label if number == 0 else '':{_LABEL_COLUMNS}}"
            screen.line(f"  {screen.paint(shown_label, 'faint')}{part}")


def safe_lines(text: str) -> list[str]:
    """Text of several lines, each harmless and its tabs spelt out."""
    return [harmless(line) for line in text.expandtabs().splitlines()]


def print_section(screen: Screen, heading: str, lines: list[str]) -> None:
    """A heading and what stands below it, lines that are safe to show; nothing where there are none."""
    if lines:
        screen.line()
        screen.line(screen.paint(heading, "heading"))
        for line in lines:
            screen.line((" " * _INDENT_COLUMNS + line).rstrip())


def section_table(screen: Screen, columns: tuple[Column, ...], rows: list[list[Cell]]) -> list[str]:
    """The lines of a table that fits into a section; none without rows."""
    if not rows:
        return []
    inside = None if screen.width is None else screen.width - _INDENT_COLUMNS
    return table_lines(replace(screen, width=inside), columns, rows)


def note_lines(farm: Farm, thread_id: int | None) -> list[str]:
    """The notes of a thread, oldest first; none for no thread."""
    lines: list[str] = []
    for thread in farm.call("getNoteThreads", [thread_id]) if thread_id is not None else ():
        for note in thread.get("notes", ()):
            first, *rest = safe_lines(str(note.get("text", ""))) or [""]
            lines.append(f"{local_time(note.get('date'))}  {first}")
            lines += [" " * _DATE_COLUMNS + line for line in rest]
    return lines
