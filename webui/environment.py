"""Jinja, set up so that a template cannot show anything unescaped or undefined (PROMISES 6.4)."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hqserver.domain.version import VERSION

from . import wording
from .assets import asset_url
from .contexts import Page


def _harmless(value: Any) -> Any:
    """Every text that a template puts out passes here, before it is escaped."""
    return wording.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("webui"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(shortened=wording.shortened, grouped=wording.grouped)
    environment.globals.update(asset_url=asset_url, version=VERSION)
    return environment


_ENVIRONMENT = _environment()


def render(page: Page) -> bytes:
    """The page's template with the page as its only variable, as UTF-8."""
    return _ENVIRONMENT.get_template(page.template).render(page=page).encode()
