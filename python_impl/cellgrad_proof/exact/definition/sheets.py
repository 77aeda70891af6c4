"""What the cells of each part of a workbook hold, by quantity and index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from cellgrad.xlsx.addresses import Place
from cellgrad.xlsx.map_sheet import Claim, MapSheet
from cellgrad.xlsx.values import Value
from cellgrad_proof.exact.definition.holdings import Holdings
from cellgrad_proof.exact.definition.update import Index, Key


class Sheets(Holdings):
    """The parts of a workbook.

    Args:
        table: its Map.
        held: what its cells hold.
    """

    def __init__(self, table: MapSheet, held: Callable[[Place], Value]) -> None:
        self.facts = dict(table.parts) or {"": table.facts}
        self.whole = not table.parts
        self._claims: dict[str, dict[Key, list[Claim]]] = {name: {} for name in self.facts}
        for claim in table.claims:
            self._claims.setdefault(claim.part, {}).setdefault(claim.key, []).append(claim)
        self._held = held
        self._known: dict[tuple[str, Key], dict[Index, float]] = {}

    def claims(self, part: str) -> Iterator[Claim]:
        """Yield the claims of a part."""
        for claims in self._claims[part].values():
            yield from claims

    def values(self, part: str, key: Key) -> Mapping[Index, float]:
        """Return the numbers of a quantity; KeyError if no cell holds it."""
        if (part, key) not in self._known:
            found: dict[Index, float] = {}
            for claim in self._claims[part][key]:
                for index, place in cells_of(claim):
                    value = self._held(place)
                    if isinstance(value, float):
                        found[index] = value
            self._known[part, key] = found
        return self._known[part, key]

    def has(self, part: str, name: str, layer: int | None = None) -> bool:
        """Tell whether a part has cells of a quantity."""
        return (name, layer) in self._claims[part]


def cells_of(claim: Claim) -> Iterator[tuple[Index, Place]]:
    """Yield the cells of a claim with their indices."""
    area = claim.cells
    for r in range(area.height):
        for c in range(area.width):
            yield claim.rule.index(r, c), (area.sheet, area.top + r, area.left + c)
