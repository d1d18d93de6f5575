"""The API reference, written from the registry: `API.md` is what this module gives, and a test compares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .method import Method, Parameter, Registry

AttributeRow = tuple[str, str, str]
"""An attribute's name, its sentence, and what it costs to read (`stored`, `computed`)."""

_HEAD = """\
# API reference

Generated from the code by `hqserver.rpc.reference`. Do not edit.

XML-RPC over HTTP: POST to `/RPC2` or `/`. Optional parameters stand last; an empty string counts as nil for
ids, attribute names and optional parameters. Callers that cannot read `<nil/>` post to `/RPC2/nonil`. Times
are UTC. Integers beyond 32 bits are doubles.

| fault | meaning |
|---|---|
| -32700, -32701 | not well-formed XML; an encoding that is not read |
| -32600 | XML, but not a call |
| -32601, -32602 | no such method; parameters of the wrong number, type or range |
| -32603 | internal error: the sentence carries the incident's id in the server's log |
| 400 | a job specification that cannot be accepted |
| 401, 403 | not logged in; not allowed |
| 404 | no such id or name |
| 409 | not possible in the present status |
| 413, 429 | more than one call may carry; too many calls |
| 503, 507 | busy, starting or shutting down; the server's disk is full |
"""


def reference(registry: Registry, attributes: Mapping[str, Iterable[AttributeRow]] | None = None) -> str:
    """The whole page as Markdown: methods by subject, then one table for each title of `attributes`."""
    subjects: dict[str, list[Method]] = {}
    for method in registry:
        if not method.internal:
            subjects.setdefault(method.subject, []).append(method)
    parts = [_HEAD]
    for subject, methods in subjects.items():
        parts.append(f"## {subject}\n")
        if prose := registry.subjects.get(subject):
            parts.append(f"{prose}\n")
        parts += [_entry(method) for method in methods]
    for title, rows in (attributes or {}).items():
        parts.append(f"## {title}\n")
        parts.append(_table(("attribute", "meaning", "cost"), [(f"`{name}`", *rest) for name, *rest in rows]))
    return "\n".join(parts)


def _entry(method: Method) -> str:
    lines = [f"### {method.name}\n", f"`{_signature(method)}`\n"]
    if method.deprecated:
        lines.append(f"Deprecated: use `{method.deprecated}`.\n")
    if method.aliases:
        lines.append(f"Also called {', '.join(f'`{alias}`' for alias in method.aliases)}.\n")
    lines.append(f"{method.doc}\n")
    notes = []
    if method.since:
        notes.append(f"Since Houdini {method.since}.")
    if not method.idempotent:
        notes.append(
            "Not idempotent: calling it twice does it twice, but for a call that was not answered: within 60 seconds, "
            "the same request again from the same address gets what the first one did."
        )
    if notes:
        lines.append(f"{' '.join(notes)}\n")
    return "\n".join(lines)


def _signature(method: Method) -> str:
    return f"{method.name}({', '.join(map(_parameter, method.parameters))}) -> {method.result}"


def _parameter(parameter: Parameter) -> str:
    kind = f"{parameter.name}: {parameter.kind.wire}"
    if parameter.required:
        return f"{kind} or nil" if parameter.nullable and parameter.kind.wire != "any" else kind
    return f"{kind} = {'nil' if parameter.default is None else repr(parameter.default)}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)
