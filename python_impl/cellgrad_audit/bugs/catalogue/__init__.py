"""The catalogue, in the order of the flow: the one table of mistakes.

Adding one: write a class that replaces a method of ``Program`` into the chapter where it
belongs, with its words in the decorator above it, and run ``make regenerate``.
"""

from __future__ import annotations

from functools import cache

from cellgrad_audit.bugs.catalogue import (
    backward,
    batches,
    derivatives,
    errors,
    forward,
    gradients,
    optimisers,
    precision,
    updates,
)
from cellgrad_audit.bugs.entry import Entry, Variant

CHAPTERS = {
    "The forward pass": forward.CHAPTER,
    "The error": errors.CHAPTER,
    "The derivative of the activation": derivatives.CHAPTER,
    "The error that flows back": backward.CHAPTER,
    "Gradients": gradients.CHAPTER,
    "The update": updates.CHAPTER,
    "Samples and batches": batches.CHAPTER,
    "Momentum and weight decay": optimisers.CHAPTER,
    "Precision and other formulas": precision.CHAPTER,
}


@cache
def entries() -> tuple[Entry, ...]:
    """Return every entry, in the order of the flow."""
    return tuple(entry for chapter in CHAPTERS.values() for entry in chapter.entries)


@cache
def by_id() -> dict[str, Entry]:
    """Return the entries by their ids."""
    return {entry.id: entry for entry in entries()}


@cache
def variants() -> tuple[Variant, ...]:
    """Return every variant of every entry."""
    return tuple(variant for entry in entries() for variant in entry.variants)
