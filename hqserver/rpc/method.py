"""How an RPC method is declared: once, by a decorator on an annotated, documented method of a surface class.

Dispatch, arity faults, introspection, the API reference and the `hq call` command all derive from `Method`:

    class Jobs:
        @rpc("getJobHistory")
        def job_history(self, client_id: Id, limit: int = 5) -> list[int]:
            \"\"\"Ids of the jobs that last ran on the client, most recently ended first.\"\"\"

Parameter names are those of the wire. XML-RPC has no keywords, so what is optional stands last.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TypeVar, get_type_hints

from hqserver.domain.errors import BadParameters
from hqserver.services.retries import Attempt

from .kinds import MOST_IDS, Attribs, BadEntry, Id, Ids, Kind, kind_of, result_wire_type

__all__ = ["MOST_IDS", "Attribs", "Caller", "Id", "Ids", "Method", "Parameter", "Registry", "rpc"]

_DECLARATION = "__rpc__"
_Function = TypeVar("_Function", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: what the connection and its headers say, none of it proven.

    `peer` is the address the connection comes from, `secret` the bearer token it carries ("" without one),
    and `nonil` says that the caller cannot read `<nil/>` (CONTRACT 9.2). `attempt` is the request itself, by which
    its repetition is recognised; None where nobody can tell whether it was answered.
    """

    peer: str = "127.0.0.1"
    user: str = ""
    secret: str = field(default="", repr=False)
    nonil: bool = False
    attempt: Attempt | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class _Declaration:
    names: tuple[str, ...]
    deprecated: str
    since: str
    idempotent: bool
    internal: bool


def rpc(
    name: str,
    *aliases: str,
    deprecated: str = "",
    since: str = "",
    idempotent: bool = True,
    internal: bool = False,
) -> Callable[[_Function], _Function]:
    """Serve the decorated method as `name`, and under each of `aliases`.

    `deprecated` names the method to use in its place, `since` the Houdini version that brought it ("" for the
    farm's own). `idempotent=False` marks a method whose repeated call must be recognised (CONTRACT 10): it does all
    that it does in one transaction.
    `internal` methods are the daemon's: they answer, but `system.listMethods` and the reference omit them.
    """

    def declare(function: _Function) -> _Function:
        declaration = _Declaration((name, *aliases), deprecated, since, idempotent, internal)
        setattr(function, _DECLARATION, declaration)
        return function

    return declare


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter on the wire. `nullable` says that it takes None."""

    name: str
    kind: Kind
    nullable: bool
    required: bool
    default: object

    def read(self, method_name: str, value: object) -> object:
        """The Python value for what was sent. Raises `BadParameters` naming method, parameter and value."""
        if value is None or value == "":
            # An empty string is the None of callers that cannot send nil; where text is wanted it stays text.
            if not self.required:
                return self.default
            if self.nullable and (value is None or self.kind.wire != "any"):
                return None
        try:
            return self.kind.read(value)
        except BadEntry as bad:
            place = f"{method_name}: {self.name}[{bad.index}]"
            raise BadParameters(f"{place} must be {bad.words}, not {_shown(bad.value)}") from None
        except ValueError:
            raise BadParameters(f"{method_name}: {self.name} must be {self.kind.words}, not {_shown(value)}") from None

    def __str__(self) -> str:
        return self.name if self.required else f"{self.name}={self.default!r}"


def _shown(value: object) -> str:
    if isinstance(value, list | dict):
        return f"a {'list' if isinstance(value, list) else 'struct'} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True, slots=True)
class Method:
    """A method as served: how it is called, what it takes and gives, and what it says about itself."""

    name: str
    aliases: tuple[str, ...]
    function: Callable[..., object]
    signature: inspect.Signature
    parameters: tuple[Parameter, ...]
    result: str
    doc: str
    subject: str
    deprecated: str = ""
    since: str = ""
    idempotent: bool = True
    internal: bool = False
    takes_caller: bool = False
    answers_true: bool = False

    @property
    def usage(self) -> str:
        """The call as it is written: `getJob(job_id, attribs=None)`."""
        return f"{self.name}({', '.join(map(str, self.parameters))})"

    def call(self, params: Sequence[object], caller: Caller) -> object:
        """Check and convert `params`, then run the method.

        Raises `BadParameters` for a wrong number or type of parameters, and whatever the method raises.
        """
        try:
            self.signature.bind(*params)
        except TypeError:
            count = f"{len(params)} parameter{'' if len(params) == 1 else 's'}"
            raise BadParameters(f"{count} given; the call is {self.usage}") from None
        values = [parameter.read(self.name, value) for parameter, value in zip(self.parameters, params, strict=False)]
        result = self.function(caller, *values) if self.takes_caller else self.function(*values)
        return True if self.answers_true else result


class Registry:
    """Every method of the farm by each of its names."""

    def __init__(self, methods: Iterable[Method], subjects: dict[str, str] | None = None) -> None:
        """`subjects` holds each subject's prose for the reference. A name taken twice is a `TypeError`."""
        self.methods = tuple(methods)
        self.subjects = subjects or {}
        self._by_name: dict[str, Method] = {}
        for method in self.methods:
            for name in (method.name, *method.aliases):
                other = self._by_name.setdefault(name, method)
                if other is not method or (name in method.aliases and name == method.name):
                    raise TypeError(f"two RPC methods are called {name!r}: in {other.subject} and in {method.subject}")

    @classmethod
    def from_surfaces(cls, surfaces: Iterable[object]) -> Registry:
        """The decorated methods of these objects, in the order in which they are written.

        A surface's subject is the name of its class, or the class's `subject`; the docstring is its prose.
        Raises `TypeError` for a method without docstring or annotations, or with a type XML-RPC cannot carry.
        """
        methods: list[Method] = []
        subjects: dict[str, str] = {}
        for surface in surfaces:
            subject = getattr(type(surface), "subject", type(surface).__name__)
            subjects[subject] = inspect.cleandoc(type(surface).__doc__ or "")
            methods += _declared_by(surface, subject)
        return cls(methods, subjects)

    def __iter__(self) -> Iterator[Method]:
        return iter(self.methods)

    def __len__(self) -> int:
        return len(self.methods)

    def __add__(self, other: Registry) -> Registry:
        return Registry(self.methods + other.methods, self.subjects | other.subjects)

    def find(self, name: str) -> Method | None:
        """The method served under `name`, or None."""
        return self._by_name.get(name)

    def names(self, *, internal: bool = False) -> list[str]:
        """Every name that is served, aliases included, sorted; the daemon's own only where asked for."""
        return sorted(name for name, method in self._by_name.items() if internal or not method.internal)


def _declared_by(surface: object, subject: str) -> Iterator[Method]:
    attributes = {name: value for owner in reversed(type(surface).__mro__) for name, value in vars(owner).items()}
    for attribute, function in attributes.items():
        declaration = getattr(function, _DECLARATION, None)
        if isinstance(declaration, _Declaration):
            yield replace(_described(function, declaration, subject), function=getattr(surface, attribute))


@cache
def _described(function: Callable[..., object], declaration: _Declaration, subject: str) -> Method:
    """What the function of a class says of itself: read once, however many objects of the class are served."""
    name, *aliases = declaration.names
    place = f"RPC method {name} ({subject})"
    doc = inspect.getdoc(function)
    if not doc:
        raise TypeError(f"{place} has no docstring")
    hints = get_type_hints(function, include_extras=True)
    if "return" not in hints:
        raise TypeError(f"{place} does not say what it returns")
    signature = inspect.signature(function)
    wire = list(signature.parameters.values())[1:]
    takes_caller = bool(wire) and hints.get(wire[0].name) is Caller
    wire = wire[takes_caller:]
    try:
        parameters = tuple(_parameter(each, hints) for each in wire)
        result = result_wire_type(hints["return"])
    except TypeError as problem:
        raise TypeError(f"{place}: {problem}") from None
    return Method(
        name=name,
        aliases=tuple(aliases),
        function=function,
        signature=signature.replace(parameters=wire),
        parameters=parameters,
        result=result,
        doc=doc,
        subject=subject,
        deprecated=declaration.deprecated,
        since=declaration.since,
        idempotent=declaration.idempotent,
        internal=declaration.internal,
        takes_caller=takes_caller,
        answers_true=hints["return"] is type(None),
    )


def _parameter(declared: inspect.Parameter, hints: dict[str, object]) -> Parameter:
    if declared.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
        raise TypeError(f"parameter {declared.name} is {declared.kind.description}; XML-RPC has only positions")
    if declared.name not in hints:
        raise TypeError(f"parameter {declared.name} has no annotation")
    kind, nullable = kind_of(hints[declared.name])
    required = declared.default is inspect.Parameter.empty
    return Parameter(declared.name, kind, nullable, required, None if required else declared.default)
