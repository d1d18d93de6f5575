"""Whether what a client package needs is installed here. A few lines, for packages change what they need seldom.

A requirement is `name>=1.2,<3`: a distribution and bounds of its version. Only numbered releases are compared; what
follows the numbers (`rc1`, `.post2`) is left out, as is everything that this reader does not know: that is refused.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from importlib import metadata

from hqserver.domain.package import REQUIREMENTS

_Release = tuple[int, ...]

_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)((?:(?:>=|<=|==|<|>)[0-9.]+(?:,(?=.)|$))*)")
_BOUND = re.compile(r"(>=|<=|==|<|>)([0-9.]+)")
_COMPARE: dict[str, Callable[[_Release, _Release], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}


def installed_version(distribution: str) -> str | None:
    """The version of a distribution that is installed here, None where it is not."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def unmet(text: str, installed: Callable[[str], str | None] = installed_version) -> str:
    """Why code with these requirements (a line each) cannot run here, "" when it can."""
    return "; ".join(filter(None, (_unmet(line.strip(), installed) for line in text.splitlines() if line.strip())))


def _unmet(requirement: str, installed: Callable[[str], str | None]) -> str:
    read = _LINE.fullmatch(requirement.replace(" ", ""))
    if read is None:
        return f"{REQUIREMENTS} says {requirement[:100]!r}, which this client cannot read"
    name, bounds = read.groups()
    found = installed(name)
    if found is None:
        return f"it needs {requirement}, which is not installed"
    if all(_COMPARE[sign](*_releases(found, bound)) for sign, bound in _BOUND.findall(bounds)):
        return ""
    return f"it needs {requirement}, and {found} is installed"


def _releases(one: str, other: str) -> tuple[_Release, _Release]:
    """The release numbers of two versions, filled up with zeros to one length."""
    first, second = _release(one), _release(other)
    length = max(len(first), len(second))
    return first + (0,) * (length - len(first)), second + (0,) * (length - len(second))


def _release(version: str) -> _Release:
    numbers = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(int(number) for number in numbers[0].split(".")) if numbers else ()
