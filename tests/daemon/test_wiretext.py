from __future__ import annotations

import xml.parsers.expat

from hypothesis import given
from hypothesis import strategies as st

from hqclient.daemon.wiretext import clean, one_line


@given(st.text(st.characters(exclude_categories=())))
def test_cleaned_text_is_xml_and_cleaning_again_changes_nothing(text: str) -> None:
    cleaned = clean(text)
    escaped = cleaned.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    xml.parsers.expat.ParserCreate().Parse(f"<a>{escaped}</a>".encode(), True)
    assert clean(cleaned) == cleaned
    assert len(cleaned) == len(text)


def test_a_line_cannot_be_forged() -> None:
    assert one_line("job\n2026 ERROR all lost\x1b[2J\u202e") == "job\\x0a2026 ERROR all lost\\x1b[2J\\u202e"
    assert one_line("Ünïcödé, 日本") == "Ünïcödé, 日本"


@given(st.text(st.characters(exclude_categories=())))
def test_a_line_is_printable_by_any_utf8_terminal(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    line.encode()
