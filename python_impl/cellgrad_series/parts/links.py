"""Links between parts: which run a part starts from, whose samples it uses."""

from __future__ import annotations

from collections.abc import Mapping

from cellgrad.case.quantities import Key
from cellgrad.case.structure import Structure
from cellgrad.described.parts import Origin, Part
from cellgrad.errors import CaseError

Shapes = tuple[tuple[int, ...], tuple[int, ...]]
"""Of inputs and targets: samples first."""


def sample_origins(
    facts: Mapping[str, str], above: Mapping[str, Part], own: tuple[Key, Key], wanted: Shapes
) -> dict[Key, Origin]:
    """Return where a part's samples stand, if its words name the part that holds them.

    Args:
        facts: the words of the part.
        above: the parts that stand above it.
        own: what the part calls inputs and targets.
        wanted: their shapes.

    Raises:
        CaseError: that part has no samples, or others.
    """
    name = facts.get("data of", "")
    if not name:
        return {}
    part = above.get(name)
    keys = part.shape.sample_keys() if part else None
    if part is None or keys is None:
        raise CaseError(f"{name!r} is no part with samples that stands above")
    found = [part.origins[key] if part.borrows(key) else Origin(name, key) for key in keys]
    if tuple(part.known[key].shape for key in keys) != wanted:
        raise CaseError(f"the samples of {found[0].part!r} do not fit")
    return dict(zip(own, found, strict=True))


def refuse_other_network(name: str, one: Structure, other: Structure) -> None:
    """Refuse weights of a network that has other nodes."""
    if (one.nodes, one.biases) != (other.nodes, other.biases):
        raise CaseError(f"{name!r} is another network")
