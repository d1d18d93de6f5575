"""No status is told by colour alone, and none is without a look."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import webui
from hqserver.domain.status import JobStatus, RunStatus
from hqserver.services.queries.overview_clients import Availability
from webui.looks import CLIENT_LOOKS, JOB_LOOKS, RUN_LOOKS, Look, job_look

STATIC = Path(webui.__file__).parent / "static"
LOOKS = [*Look, *CLIENT_LOOKS.values()]


def test_every_status_has_a_look() -> None:
    assert set(JOB_LOOKS) == set(JobStatus)
    assert set(RUN_LOOKS) == set(RunStatus)
    assert set(CLIENT_LOOKS) == set(Availability)


@pytest.mark.parametrize("look", LOOKS)
def test_every_look_has_a_colour_and_a_sign(look: str) -> None:
    assert re.search(rf"^\.{look} {{ --tone: var\(--\w+\); }}$", (STATIC / "page.css").read_text(), re.MULTILINE)
    symbols = ElementTree.parse(STATIC / "icons.svg").getroot()
    assert look in [symbol.get("id") for symbol in symbols]


def test_the_signs_of_looks_differ() -> None:
    symbols = {each.get("id"): ElementTree.tostring(each) for each in ElementTree.parse(STATIC / "icons.svg").getroot()}
    drawn = [symbols[look].partition(b">")[2] for look in LOOKS]
    assert len(set(drawn)) == len(LOOKS)


def test_a_parent_whose_children_run_looks_as_if_it_ran() -> None:
    assert job_look("queued", at_work=True) is Look.RUNNING
    assert job_look("queued", at_work=False) is Look.WAITING
    assert job_look("failed", at_work=True) is Look.FAILED


def test_a_job_that_is_held_with_its_children_looks_paused() -> None:
    """9.9: it is `queued` itself and shown as paused, unless something of it still runs."""
    assert job_look("queued", at_work=False, held="pause") is Look.PAUSED
    assert job_look("queued", at_work=True, held="pause") is Look.RUNNING
    assert job_look("failed", at_work=False, held="pause") is Look.FAILED


def _colours(css: str, start: str) -> dict[str, tuple[float, ...]]:
    block = css[css.index(start) :]
    block = block[: block.index("}")]
    found = {}
    for name, value in re.findall(r"--(\w+): #([0-9a-f]{6});", block):
        found[name] = tuple(int(value[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return found


def _luminance(colour: tuple[float, ...]) -> float:
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["color-scheme: light dark;", "@media (prefers-color-scheme: dark)"])
def test_words_can_be_read_on_what_they_stand_on(scheme: str) -> None:
    """WCAG AA: 4.5 to 1 for text, on surfaces and on badges, which are surfaces with 13 % of the tone."""
    colours = _colours((STATIC / "page.css").read_text(), scheme)
    surface = colours["surface"]

    def contrast(ink: str, ground: tuple[float, ...]) -> float:
        lighter, darker = sorted((_luminance(colours[ink]), _luminance(ground)), reverse=True)
        return (lighter + 0.05) / (darker + 0.05)

    for ink in ("ink", "quiet", "accent"):
        for ground in ("surface", "ground", "raised"):
            assert contrast(ink, colours[ground]) >= 4.5, (ink, ground)
    for tone in ("grey", "blue", "amber", "green", "red", "brown", "violet", "orange", "dark"):
        badge = tuple(0.13 * part + 0.87 * under for part, under in zip(colours[tone], surface, strict=True))
        assert contrast(tone, badge) >= 4.5, tone
