"""The page of the API: the same registries that dispatch and the reference are made from."""

from __future__ import annotations

from hqserver.domain.properties import PROPERTIES
from hqserver.rpc.method import Method, Registry
from hqserver.services.clients.group_attributes import GROUP_ATTRIBUTES
from hqserver.services.note_attributes import NOTE_ATTRIBUTES, THREAD_ATTRIBUTES
from hqserver.services.queries.client_attributes import CLIENT_ATTRIBUTES
from hqserver.services.queries.job_attributes import JOB_ATTRIBUTES

from . import contexts, pieces
from .parts import when


def api_page(registry: Registry, now: float, server: str) -> contexts.ApiPage:
    """The methods by subject, without those that only daemons call. `now`: UTC epoch seconds."""
    subjects: dict[str, list[Method]] = {}
    for method in registry:
        if not method.internal:
            subjects.setdefault(method.subject, []).append(method)
    return contexts.ApiPage(
        title="API",
        section="api",
        at=when(now, now),
        server=server,
        groups=[
            pieces.MethodGroup(subject, registry.subjects.get(subject, ""), [_entry(method) for method in methods])
            for subject, methods in subjects.items()
        ],
        attributes=[
            pieces.AttributeGroup(heading, [(name, each.sentence) for name, each in known.items()])
            for heading, known in (
                ("Properties of a job specification", PROPERTIES),
                ("Attributes of a job", JOB_ATTRIBUTES),
                ("Attributes of a client", CLIENT_ATTRIBUTES),
                ("Attributes of a client group", GROUP_ATTRIBUTES),
                ("Attributes of a note thread", THREAD_ATTRIBUTES),
                ("Attributes of a note", NOTE_ATTRIBUTES),
            )
        ],
    )


def _entry(method: Method) -> pieces.MethodEntry:
    return pieces.MethodEntry(
        name=method.name,
        parameters=", ".join(map(str, method.parameters)),
        result=method.result,
        prose=[" ".join(paragraph.split()).split("`") for paragraph in method.doc.split("\n\n")],
        aliases=", ".join(method.aliases),
        deprecated=method.deprecated,
        since=method.since,
    )
