"""What no template may do: show something unescaped, style or script inline, load from elsewhere (PROMISES 6.4)."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from jinja2 import UndefinedError

import webui
from webui import contexts, environment

FOLDER = Path(webui.__file__).parent
TEMPLATES = sorted((FOLDER / "templates").iterdir())
PAGES = contexts.Page.__subclasses__()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_keeps_to_what_the_content_security_policy_allows(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", text)
    assert not re.search(r"\sstyle\s*=|\son[a-z]+\s*=|<style|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"""(?:src|href)="(?:[a-z]+:)?//""", text)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_attribute_with_a_value_is_quoted(template: Path) -> None:
    tags = re.sub(r"{%.*?%}", "", template.read_text())
    for tag in re.findall(r"<[a-z][^<>]*>", re.sub(r"{{.*?}}", "value", tags)):
        assert not re.search(r"\s[\w-]+=[^\"\s>]", re.sub(r'"[^"]*"', '""', tag)), tag


def test_what_a_page_does_not_have_is_an_error_and_not_an_empty_place() -> None:
    template = environment._ENVIRONMENT.from_string("{{ page.nothing }}")
    with pytest.raises(UndefinedError):
        template.render(page=object())


def test_a_text_is_escaped_and_made_harmless_wherever_it_stands() -> None:
    template = environment._ENVIRONMENT.from_string('<a title="{{ text }}">{{ text }}</a>{{ text|shortened(9) }}')
    shown = template.render(text='"><b>\u202e\x00\ud800')
    assert "<b>" not in shown
    assert not re.search("[\u202e\x00\ud800]", shown)
    assert shown.count("&#34;&gt;&lt;b&gt;\ufffd\ufffd\ufffd") == 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.__name__)
def test_every_page_shows_all_it_is_given(page: type[contexts.Page]) -> None:
    text = "".join((FOLDER / "templates" / name).read_text() for name in ("layout.html", page.template))
    for field in fields(page):
        assert f"page.{field.name}" in text, field.name


def test_every_page_and_record_is_documented() -> None:
    for page in [contexts.Page, *PAGES]:
        assert page.__doc__ and not page.__doc__.startswith(f"{page.__name__}(")
