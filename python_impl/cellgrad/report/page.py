"""Pages of HTML, each one file that needs nothing else; what a template shows is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template


def page_template(
    folder: Path, name: str, filters: Mapping[str, Any], words: Mapping[str, Any]
) -> Template:
    """Return the template of a page, which may extend ``page.html.jinja``.

    Args:
        folder: where templates lie, beside those that all pages share.
        name: which.
        filters: functions for what it shows.
        words: values that it has whatever it shows.
    """
    environment = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= filters
    environment.globals |= words
    return environment.get_template(name)
