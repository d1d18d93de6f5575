"""The registry against HQueue's own reference, the project's seed: every method it has, with the seed's parameters."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest

from hqserver.app import surfaces
from hqserver.services.farm import Farm
from hqserver.services.note_attributes import NOTE_ATTRIBUTES, THREAD_ATTRIBUTES
from hqserver.services.queries.client_attributes import CLIENT_ATTRIBUTES
from hqserver.services.queries.job_attributes import JOB_ATTRIBUTES

SEED = (Path(__file__).parent.parent / "seeds" / "hqueue.txt").read_text(encoding="utf-8")
SIGNATURE = re.compile(r"^([a-zA-Z]+)\((.*)\)\s*$", re.MULTILINE)


def signatures() -> dict[str, list[str]]:
    """Method names of the seed with the names of their parameters."""
    found = {}
    for name, parameters in SIGNATURE.findall(SEED):
        plain = re.sub(r"[\[\]]", " ", parameters)
        found[name] = [each.split("=")[0].strip() for each in plain.split(",") if each.split("=")[0].strip()]
    return found


REGISTRY = surfaces(cast(Farm, None))


def test_the_seed_holds_forty_six_methods() -> None:
    assert len(signatures()) == 46


@pytest.mark.parametrize(("name", "parameters"), signatures().items())
def test_a_method_of_the_seed_is_served_with_the_seeds_parameters(name: str, parameters: list[str]) -> None:
    method = REGISTRY.find(name)
    assert method is not None, f"{name} is not served"
    assert [parameter.name for parameter in method.parameters] == parameters


@pytest.mark.parametrize("heading", ["getJobs(job_ids", "getClients(", "getLatestNotes(", "getNoteThreads("])
def test_every_attribute_of_the_seed_is_served(heading: str) -> None:
    section = SEED[SEED.index(f"\n{heading}") :]
    section = section[: section.index("\nget", 5)]
    names = re.findall(r"^  \S+\s+(\w+)\s+- ", section, re.MULTILINE)
    registry = {"getJobs(job_ids": JOB_ATTRIBUTES, "getClients(": CLIENT_ATTRIBUTES}.get(
        heading, NOTE_ATTRIBUTES | THREAD_ATTRIBUTES
    )
    assert names
    assert [name for name in names if name not in registry] == []
