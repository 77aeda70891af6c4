"""An entry of the catalogue: a mistake in words, and the programs that make it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from cellgrad.case.model import Case
from cellgrad_audit.bugs.program import Program

MISTAKE, CONVENTION, ALTERNATIVE, PRECISION = "mistake", "convention", "alternative", "precision"

Settings = Mapping[str, Any]
"""What a variant changes in the program of its entry."""

Value = TypeVar("Value")
Code = TypeVar("Code", bound=Callable[..., Any])

Right = Callable[..., Value]
"""The method that a mistake replaces, of a program of its own or of another mistake."""


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


PROGRAMS: dict[str, Callable[[Settings], type[Program]]] = {}
"""By the ids of entries: what makes the program of a variant from its settings."""


class InLayers(Program):
    """A mistake that is made in some of the layers."""

    def here(self, at: str, k: int) -> bool:
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
        }[at]


def mistake(entry: str, seam: str = "") -> Callable[[Code], Code]:
    """Register the code of an entry.

    A mistake in one method of ``Program`` is a function that replaces it: it gets the program,
    the right method, and that method's arguments; the settings of variants are its keywords
    (``at`` makes the program one ``InLayers``). A mistake in several methods is a subclass; its
    settings are private attributes (``__which``), so that two mistakes can be combined.

    Args:
        entry: the id in reference/bugs.toml.
        seam: the method that a function replaces.
    """
    if entry in PROGRAMS:
        raise TypeError(f"{entry} has its program already")

    def register(code: Code) -> Code:
        def make(settings: Settings) -> type[Program]:
            if isinstance(code, type):
                return _with_attributes(code, settings)
            return _with_seam(code, seam, settings)

        PROGRAMS[entry] = make
        return code

    return register


def _with_attributes(program: type[Program], settings: Settings) -> type[Program]:
    """Return a program with other values of its private attributes."""
    mangled = {f"_{program.__name__}__{name}": value for name, value in settings.items()}
    if unknown := [name for name in mangled if not hasattr(program, name)]:
        raise TypeError(f"{program.__name__} keeps no private attribute {unknown[0]}")
    return type(program.__name__, (program,), mangled)


def _with_seam(function: Callable[..., Any], seam: str, settings: Settings) -> type[Program]:
    """Return a program with a method replaced by a function."""
    keywords = inspect.getfullargspec(function).kwonlyargs
    if unknown := [name for name in settings if name not in keywords]:
        raise TypeError(f"{function.__name__} has no setting {unknown[0]}")
    getattr(Program, seam)  # a name that nothing calls would replace nothing

    def method(self: Program, *arguments: Any) -> Any:
        return function(self, getattr(super(made, self), seam), *arguments, **settings)

    made = type(function.__name__, (InLayers if "at" in keywords else Program,), {seam: method})
    return made
