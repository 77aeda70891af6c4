"""Frameworks as targets: a user's own model, or the framework's natural one.

``torch:module:function`` audits what the function builds; ``torch:`` alone the model that
anyone would build. The same with ``jax``, ``keras`` and ``sklearn``. A framework is
imported only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from cellgrad.errors import InputError
from cellgrad_audit.adapters.adapter import Adapter, Builder
from cellgrad_audit.targets.function import SECONDS, found_function

_KINDS = {
    "torch": ("pytorch", "PyTorch"),
    "jax": ("jax", "Jax"),
    "keras": ("keras", "Keras"),
    "sklearn": ("scikit_learn", "ScikitLearn"),
}
"""Prefix: the module here, and its class."""

PREFIXES = tuple(f"{kind}:" for kind in _KINDS)


def create(text: str, timeout: float = SECONDS) -> Adapter | None:
    """Return the adapter that a target's text names, or None if it names none.

    Args:
        text: ``torch:module:function``, or ``torch:`` alone; likewise ``jax:``, ``keras:``,
            ``sklearn:``.
        timeout: seconds that a case may take.

    Raises:
        InputError: the framework is missing, or there is no such function.
    """
    kind, colon, rest = text.partition(":")
    if not colon or kind not in _KINDS:
        return None
    module, name = _KINDS[kind]
    make: Callable[..., Adapter] = getattr(import_module(f"cellgrad_audit.adapters.{module}"), name)
    if rest and (rest.count(":") != 1 or not all(rest.split(":"))):
        raise InputError(
            "names no function that builds the model",
            file=text,
            remedy=f"write {kind}:module:function, or {kind}: alone for the natural model",
        )
    # the framework first: Keras needs a backend by the time the user's module imports it
    adapter = make(name=text, timeout=timeout)
    if rest:
        adapter.builder = _builder(rest)
    return adapter


def _builder(text: str) -> Builder:
    found = found_function(text)
    if not callable(found):
        raise InputError("holds no function", file=text, remedy="check the name behind the colon")
    builder: Builder = found
    return builder
