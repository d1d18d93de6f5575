"""The pages that are written from the code: the API reference and the lifecycle diagrams."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from hqserver.app import surfaces
from hqserver.domain.lifecycle import diagram
from hqserver.domain.properties import PROPERTIES
from hqserver.rpc.dispatch import Dispatcher
from hqserver.rpc.reference import reference
from hqserver.services.attributes import Attribute
from hqserver.services.clients.group_attributes import GROUP_ATTRIBUTES
from hqserver.services.farm import Farm
from hqserver.services.note_attributes import NOTE_ATTRIBUTES, THREAD_ATTRIBUTES
from hqserver.services.queries.client_attributes import CLIENT_ATTRIBUTES
from hqserver.services.queries.job_attributes import JOB_ATTRIBUTES

CHECKOUT = Path(__file__).resolve().parent.parent
COSTS = {"row": "stored", "query": "computed"}


def api_reference() -> str:
    """API.md: every method of the registry, the properties of a job and every attribute."""
    nobody = cast(Farm, None)  # methods are only looked at
    attributes: Mapping[str, Mapping[str, Attribute]] = {
        "Attributes of jobs": JOB_ATTRIBUTES,
        "Attributes of clients": CLIENT_ATTRIBUTES,
        "Attributes of client groups": GROUP_ATTRIBUTES,
        "Attributes of note threads": THREAD_ATTRIBUTES,
        "Attributes of notes": NOTE_ATTRIBUTES,
    }
    tables = {
        title: [(each.name, each.sentence, COSTS[each.cost]) for each in registry.values()]
        for title, registry in attributes.items()
    }
    rows = [f"| `{name}` | {each.sentence} |" for name, each in PROPERTIES.items()]
    properties = ["\n## Properties of a job specification\n", "| property | meaning |", "|---|---|", *rows, ""]
    return reference(Dispatcher(surfaces(nobody)).registry, tables) + "\n".join(properties)


PAGES = {"hqserver/rpc/API.md": api_reference, "hqserver/domain/LIFECYCLE.md": diagram}


def main() -> int:
    """Write the pages, or with --check say which differ from the code."""
    stale = []
    for name, make in PAGES.items():
        path, text = CHECKOUT / name, make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv[1:]:
                path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{name} {'is out of date: run scripts/generate' if '--check' in sys.argv[1:] else 'written'}")
    return int(bool(stale) and "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
