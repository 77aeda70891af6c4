"""How a mistake is put into the program: the method that it replaces, and where it is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from cellgrad_audit.bugs.program import Program

Settings = Mapping[str, Any]
"""What a variant changes in the program of its entry."""

Value = TypeVar("Value")
Code = TypeVar("Code", bound=Callable[..., Any])

Right = Callable[..., Value]
"""The method that a mistake replaces, of a program of its own or of another mistake."""

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


def mistake(entry: str, seam: str = "", *, at: str = "") -> Callable[[Code], Code]:
    """Register the code of an entry.

    A mistake in one method of ``Program`` is a function that replaces it: it gets the program,
    the right method, and that method's arguments; the settings of variants are its keywords.
    Three settings say for every function where its mistake is made, and the right method is
    asked elsewhere: ``at``, in some layers (see ``InLayers``); ``only``, of ``weights`` or of
    ``biases``; ``squared``, in the line of the squared errors, since cross-entropies have their
    own. A mistake in several methods is a subclass; its settings are private attributes
    (``__which``), so that two mistakes can be combined.

    Args:
        entry: the id in reference/bugs.toml.
        seam: the method that a function replaces.
        at: where a function's mistake is made if a variant says nothing; empty where layers
            are not told apart.
    """
    if entry in PROGRAMS:
        raise TypeError(f"{entry} has its program already")

    def register(code: Code) -> Code:
        def make(settings: Settings) -> type[Program]:
            if isinstance(code, type):
                return _with_attributes(code, settings)
            return _with_seam(code, seam, {"at": at, **settings} if at else settings)

        PROGRAMS[entry] = make
        return code

    return register


def _with_attributes(program: type[Program], settings: Settings) -> type[Program]:
    """Return a program with other values of its private attributes."""
    mangled = {f"_{program.__name__}__{name}": value for name, value in settings.items()}
    if unknown := [name for name in mangled if not hasattr(program, name)]:
        raise TypeError(f"{program.__name__} keeps no private attribute {unknown[0]}")
    return type(program.__name__, (program,), mangled)


_WHERE = ("at", "only", "squared")


def _with_seam(function: Callable[..., Any], seam: str, settings: Settings) -> type[Program]:
    """Return a program with a method replaced by a function, where its mistake is made."""
    where = {name: value for name, value in settings.items() if name in _WHERE}
    own = {name: value for name, value in settings.items() if name not in _WHERE}
    keywords = inspect.getfullargspec(function).kwonlyargs
    if unknown := [name for name in own if name not in keywords]:
        raise TypeError(f"{function.__name__} has no setting {unknown[0]}")
    getattr(Program, seam)  # a name that nothing calls would replace nothing

    def method(self: Any, *arguments: Any) -> Any:
        right = getattr(super(made, self), seam)
        if not _is_made(self, arguments, **where):
            return right(*arguments)
        return function(self, right, *arguments, **own)

    made = type(function.__name__, (InLayers if "at" in where else Program,), {seam: method})
    return made


def _is_made(
    run: Any, arguments: tuple[Any, ...], at: str = "", only: str = "", *, squared: bool = False
) -> bool:
    """Whether a mistake is made in the layer, and of the parameter, that a method is asked for."""
    if squared and run.cancels:
        return False
    for argument in arguments:
        if isinstance(argument, int):
            return not at or bool(run.here(at, argument))
        if isinstance(argument, tuple):
            kind, k = argument
            return only in ("", kind) and (not at or bool(run.here(at, k)))
    return True
