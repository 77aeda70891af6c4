"""An entry of the catalogue: a mistake in words, and the programs that make it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cellgrad.case.model import Case
from cellgrad_audit.bugs.program import Program

MISTAKE, CONVENTION, ALTERNATIVE, PRECISION = "mistake", "convention", "alternative", "precision"

Declare = Callable[[Case], Case]
"""Returns the case that says of itself what a convention does."""


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
    """A mistake, or a convention that looks like one.

    Attributes:
        id: its name.
        title: one line.
        wrong: the equation as the mistake has it, in the series' terms.
        right: the equation as it should be.
        first: the first quantity that differs, in the order of the flow; E, E_sample and P
            are left out, since nothing is computed from them. A variant may have another.
        why: why people make it.
        fix: what to do about it.
        kind: ``mistake``; ``convention`` (acceptable if declared); ``alternative`` (the same
            mathematics by another formula); ``precision``.
        needs: what a case must have for it to show, in words.
        declare: for a convention that a case can state, how it does.
        seen: where it stands in public.
        variants: the programs.
    """

    id: str
    title: str
    wrong: str
    right: str
    first: str
    why: str
    fix: str
    kind: str = MISTAKE
    needs: str = ""
    declare: Declare | None = None
    seen: tuple[Seen, ...] = ()
    variants: tuple[Variant, ...] = field(default=(), repr=False)


class Chapter:
    """The entries of one part of the flow, in the order in which they are written down."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def entry(
        self,
        *,
        variants: Mapping[str, Mapping[str, Any]] | None = None,
        firsts: Mapping[str, str] | None = None,
        **words: Any,
    ) -> Callable[[type[Program]], type[Program]]:
        """Write down an entry whose program is the decorated class.

        Args:
            variants: by name, what the class keeps in private attributes (``__which``) and
                another variant has otherwise. Private, so that two mistakes can be combined.
            firsts: by name, the first quantity that differs in variants where it is not the
                entry's.
            **words: the other attributes of ``Entry``.
        """

        def written(program: type[Program]) -> type[Program]:
            made, others = variants or {"": {}}, firsts or {}
            if unknown := set(others) - set(made):
                raise TypeError(f"{words['id']} has no variant {unknown.pop()!r}")
            found = tuple(
                Variant(
                    words["id"],
                    name,
                    _varied(program, attributes),
                    others.get(name, words["first"]),
                )
                for name, attributes in made.items()
            )
            self.entries.append(Entry(variants=found, **words))
            return program

        return written


def _varied(program: type[Program], attributes: Mapping[str, Any]) -> type[Program]:
    """Return the program with other values of its private attributes."""
    mangled = {f"_{program.__name__}__{name}": value for name, value in attributes.items()}
    if unknown := [name for name in mangled if not hasattr(program, name)]:
        raise TypeError(f"{program.__name__} keeps no private attribute {unknown[0]}")
    return type(program.__name__, (program,), mangled)


class InLayers(Program):
    """A mistake that is made in some of the layers."""

    def here(self, where: str, k: int) -> bool:
        """Whether a weight layer, counted from 0, is among those."""
        last = self.layers - 1
        return {
            "every layer": True,
            "output layer": k == last,
            "hidden layers": k < last,
            "first layer": k == 0,
            "layers above the first": k > 0,
            "second layer": k == 1,
            "second of three layers": k == 1 and last > 1,
            "hidden layers below the last": k < last - 1,
            "last hidden layer": k == last - 1,
        }[where]


def at(*layers: str) -> dict[str, dict[str, str]]:
    """Return one variant for each of these choices of layers."""
    return {name: {"at": name} for name in layers}


def convention(**changes: Any) -> Declare:
    """Return how a case states a convention of its ``conventions``."""
    return lambda case: replace(case, conventions=replace(case.conventions, **changes))


def with_field(**changes: Any) -> Declare:
    """Return how a case states something in its own fields."""
    return lambda case: replace(case, **changes)
