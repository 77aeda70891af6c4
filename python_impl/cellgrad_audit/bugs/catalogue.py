"""The catalogue, in the order of the flow: the words of reference/bugs.toml and their programs.

Adding a mistake: write its table into reference/bugs.toml and its function into the module of
``bugs/mistakes`` where it belongs, and run ``make regenerate``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from cellgrad import shipped
from cellgrad.case.model import Case
from cellgrad.errors import InputError
from cellgrad.files import check_schema, read_toml
from cellgrad_audit.bugs.mistakes import PROGRAMS
from cellgrad_audit.bugs.program import Program

_MODULES = ("forward", "backward", "updates", "samples")

MISTAKE, CONVENTION, ALTERNATIVE, PRECISION = "mistake", "convention", "alternative", "precision"


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to make the mistake.

    Attributes:
        entry: the entry's id.
        name: which way, such as ``output layer``; empty where there is only one.
        program: the program that makes it.
        first: the first quantity that differs, in the order of the flow.
    """

    entry: str
    name: str
    program: type[Program]
    first: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A place in public where the mistake stands: a fact and a link."""

    what: str
    url: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A mistake, or a convention that looks like one; the words stand in reference/bugs.toml.

    Attributes:
        id: its name.
        title: one line.
        wrong: the equation as the mistake has it, in the series' terms.
        right: the equation as it should be.
        first: the first quantity that differs, in the order of the flow; E, E_sample and P
            are left out, since nothing is computed from them. A variant may have another.
        why: why people make it.
        fix: what to do about it.
        variants: the programs.
        kind: ``mistake``; ``convention`` (acceptable if declared); ``alternative`` (the same
            mathematics by another formula); ``precision``.
        needs: what a case must have for it to show, in words.
        declare: for a convention that a case can state, how: returns the case that states it.
        seen: where it stands in public.
    """

    id: str
    title: str
    wrong: str
    right: str
    first: str
    why: str
    fix: str
    variants: tuple[Variant, ...]
    kind: str
    needs: str
    declare: Callable[[Case], Case] | None
    seen: tuple[Seen, ...]


def words_file() -> Path:
    """Return where the words are shipped."""
    return shipped.folder("reference") / "bugs.toml"


def check_words() -> None:
    """Hold the words to their schema, as whoever changes them wants to know.

    Raises:
        InputError: they break one of its rules.
    """
    path = words_file()
    try:
        check_schema(read_toml(path.read_bytes()), "bugs")
    except InputError as error:
        raise error.within(path) from error


@cache
def chapters() -> dict[str, tuple[Entry, ...]]:
    """Return the entries of each part of the flow, by its title.

    Raises:
        InputError: the words cannot be read, or do not belong to the programs.
    """
    for name in _MODULES:
        import_module(f"cellgrad_audit.bugs.mistakes.{name}")
    path = words_file()
    try:
        document = read_toml(path.read_bytes())
        del document["schema"]
        return {
            chapter.pop("title"): tuple(_entry(name, words) for name, words in chapter.items())
            for chapter in document.values()
        }
    except InputError as error:
        raise error.within(path) from error
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"cannot be used as the catalogue of mistakes ({error})",
            file=path,
            remedy="install cellgrad again",
        ) from error


@cache
def entries() -> tuple[Entry, ...]:
    """Return every entry, in the order of the flow."""
    return tuple(entry for chapter in chapters().values() for entry in chapter)


@cache
def by_id() -> dict[str, Entry]:
    """Return the entries by their ids."""
    return {entry.id: entry for entry in entries()}


@cache
def variants() -> tuple[Variant, ...]:
    """Return every variant of every entry."""
    return tuple(variant for entry in entries() for variant in entry.variants)


def _entry(name: str, words: dict[str, Any]) -> Entry:
    return Entry(
        id=name,
        **{key: _paragraph(words[key]) for key in ("title", "wrong", "right", "why", "fix")},
        first=words["first"],
        variants=tuple(
            _variant(name, words["first"], which, settings)
            for which, settings in words.get("variants", {"": {}}).items()
        ),
        kind=words.get("kind", MISTAKE),
        needs=_paragraph(words.get("needs", "")),
        declare=_declaring(words["declare"], words.get("declare_where", {}))
        if "declare" in words
        else None,
        seen=tuple(Seen(_paragraph(what), url) for url, what in words.get("seen", {}).items()),
    )


def _variant(entry: str, first: str, name: str, settings: dict[str, Any]) -> Variant:
    changed = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in settings.items()
        if key != "first"
    }
    return Variant(entry, name, PROGRAMS[entry](changed), settings.get("first", first))


def _paragraph(text: str) -> str:
    return " ".join(text.split())


def _declaring(changes: dict[str, Any], where: dict[str, Any]) -> Callable[[Case], Case]:
    """Return what makes a case state a convention, where its fields have certain values."""

    def declare(case: Case) -> Case:
        if any(getattr(case, name) not in values for name, values in where.items()):
            return case
        fields = dict(changes)
        if "conventions" in fields:
            fields["conventions"] = replace(case.conventions, **fields["conventions"])
        return replace(case, **fields)

    return declare
