"""Writing a map as commented TOML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cellgrad.case.quantities import Key, table
from cellgrad.xlsx.addresses import Place, Range, a1, quoted
from cellgrad_audit.foreign.matching import Matched, Placed
from cellgrad_audit.foreign.placement import Placement

_AFTER = {"new_weights": "weights", "new_biases": "biases"}
_MATRIX = 2
_ORDER = (
    "pre_activation", "exponential", "exponential_sum", "post_activation", "final_error",
    "sample_error", "error", "error_derivative", "activation_derivative",
    "backpropagated_error", "error_signal", "weight_gradient", "bias_gradient", "new_weights",
    "new_biases",
)  # fmt: skip


class MapText:
    """The text of a map.

    Args:
        workbook: the workbook, as the map names it.
        sheet: where most ranges lie.
        matched: what was found.
        slope: of leaky ReLUs; 0 for none.
    """

    def __init__(self, workbook: str, sheet: str, matched: Matched, slope: float = 0.0) -> None:
        self.workbook, self.sheet, self.found, self.slope = workbook, sheet, matched, slope
        self.known = table(matched.structure)

    def lines(self) -> list[str]:
        """Return the lines of the TOML."""
        return [
            "# Proposed by cellgrad locate: look at every range before you trust a verdict.",
            'schema = "cellgrad-workbook-map/1"',
            f"workbook = {_text(self.workbook)}",
            f"sheet = {_text(self.sheet)}",
            "",
            *self._network(),
            "",
            *self._given(),
            "",
            *self._computed(),
        ]

    def _network(self) -> list[str]:
        s = self.found.structure
        lines = [
            "[network]",
            f"nodes = {list(s.nodes)}",
            f"activations = {json.dumps(s.activations)}",
            f"loss = {_text(s.loss)}",
        ]
        others = dict.fromkeys(
            f"{o.loss}, {o.update}" for o in self.found.others
            if (o.loss, o.update) != (s.loss, s.update)
        )  # fmt: skip
        if others:
            lines.append(f"# the numbers fit these as well: {'; '.join(others)}")
        if s.samples > 1:
            lines.append(f"update = {_text(s.update)}")
        rate = self.found.rate
        if isinstance(rate, float):
            lines.append(f"learning_rate = {rate!r}  # the number in the formulas")
        elif rate is not None:
            lines.append(f"learning_rate = {_text(self._cell(rate))}")
        else:
            lines.append("# no update was found, so no learning_rate is needed")
        if self.slope:
            lines.append(f"leaky_slope = {self.slope!r}")
        if s.error_sign != "output_minus_target":
            lines += ["", "[network.conventions]", f"error_sign = {_text(s.error_sign)}"]
        return lines

    def _given(self) -> list[str]:
        given = self.found.given
        layers = range(self.found.structure.layers)
        lines = ["[given]"]
        lines += [
            f"{name} = {self._area((name, None), given[name, None])}"
            for name in ("input", "target")
        ]
        for name in ("weights", "biases"):
            if (name, 0) in given:
                lines += self._layers(name, [
                    (self._area((name, k), given[name, k]), "") for k in layers
                ])  # fmt: skip
        return lines

    def _computed(self) -> list[str]:
        lines = ["[computed]"]
        names = {key[0] for key in self.found.computed}
        for name in _ORDER:
            if name not in names:
                continue
            if (name, None) in self.found.computed:
                placed = self.found.computed[name, None]
                lines.append(f"{name} = {self._area((name, None), placed.placement)}"
                             f"{_remark(placed)}")  # fmt: skip
                continue
            entries = []
            for k in range(self.found.structure.layers):
                at = self.found.computed.get((name, k))
                if at is None:
                    entries.append(('""', ""))
                else:
                    entries.append((self._area((name, k), at.placement), _remark(at)))
            lines += self._layers(_AFTER.get(name, name), entries)
        missing = [
            name for name in ("error", "error_signal", "weight_gradient", "bias_gradient")
            if name not in names and any(key[0] == name for key in self.known)
        ]  # fmt: skip
        if missing:
            lines.append(f"# not found: {', '.join(missing)}")
        return lines

    @staticmethod
    def _layers(name: str, entries: Sequence[tuple[str, str]]) -> list[str]:
        return [f"{name} = [", *(f"  {text},{remark}" for text, remark in entries), "]"]

    def _area(self, key: Key, where: Placement) -> str:
        if len(where.pieces) == 1:
            cells = _text(self._range(where.pieces[0]))
        else:
            cells = json.dumps([self._range(piece) for piece in where.pieces], ensure_ascii=False)
        flipped = len(where.shape) == _MATRIX and where.axes == (1, 0)
        if not flipped or (len(where.pieces) == 1 and 1 in where.shape):
            return cells
        if self.known[key].per_sample:
            return f'{{cells = {cells}, samples = "columns"}}'
        return f"{{cells = {cells}, transposed = true}}"

    def _range(self, area: Range) -> str:
        return area.address if area.sheet == self.sheet else f"{quoted(area.sheet)}!{area.address}"

    def _cell(self, place: Place) -> str:
        address = a1(*place[1:])
        return address if place[0] == self.sheet else f"{quoted(place[0])}!{address}"


def _remark(placed: Placed) -> str:
    if placed.mistake:
        return f"  # holds no right numbers, but those of: {' '.join(placed.mistake.split())}"
    if placed.fitting < placed.size:
        return f"  # only {placed.fitting} of {placed.size} cells hold the right numbers"
    return ""


def _text(value: str) -> str:
    """Return a text as TOML writes it: as JSON does, but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def relative(workbook: Path, folder: Path) -> str:
    """Return how a map in a folder names a workbook."""
    try:
        return workbook.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return workbook.resolve().as_posix()
