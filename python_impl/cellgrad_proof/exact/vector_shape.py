"""The shape of certified values: nested lists as in a trace, and their text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import ROUND_UP, Decimal
from typing import Any, TypeVar

from cellgrad.case.quantities import quantities
from cellgrad.case.structure import Structure
from cellgrad_proof.exact.certified import CertifiedCell
from cellgrad_proof.exact.definition.update import Index, Key

Cells = dict[Key, dict[Index, CertifiedCell]]
"""Certified cells by quantity and index."""

T = TypeVar("T")

_NAMES = {"new_weights": "weights", "new_biases": "biases"}
"""A trace calls the parameters after an update so."""


def row_of(values: Mapping[Key, Mapping[Index, T]], row: int) -> dict[Key, dict[Index, T]]:
    """Return the values of one update of a run, without its axis."""
    found = {
        key: {index[1:]: value for index, value in inner.items() if index and index[0] == row}
        for key, inner in values.items()
    }
    return {key: inner for key, inner in found.items() if inner}


def step_values(structure: Structure, cells: Cells) -> dict[str, Any]:
    """Return one update's values in the shape of a trace.

    The sample axis is left out where the update covers one sample.
    """
    found: dict[str, Any] = {}
    by_name: dict[str, dict[int | None, Any]] = {}
    known = {quantity.key: quantity for quantity in quantities(structure)}
    order = list(known)
    for key in sorted(cells, key=lambda key: order.index(key) if key in known else len(order)):
        quantity = known.get(key)
        values = cells[key]
        if quantity is not None and quantity.per_sample and structure.samples == 1:
            values = {index[1:]: cell for index, cell in values.items()}
        by_name.setdefault(key[0], {})[key[1]] = nested(values, _leaf)
    for name, layers in by_name.items():
        if None in layers or name in ("exponential", "exponential_sum"):
            found[_NAMES.get(name, name)] = next(iter(layers.values()))
        elif name == "backpropagated_error":  # one list a hidden layer
            found[name] = [layers[k] for k in sorted(k for k in layers if k is not None)]
        else:
            found[_NAMES.get(name, name)] = [layers.get(k) for k in range(structure.layers)]
    return found


def nested(values: Mapping[Index, T], leaf: Callable[[T], Any]) -> Any:
    """Return values by index as nested lists."""
    if () in values:
        return leaf(values[()])
    groups: dict[int, dict[Index, T]] = {}
    for index, value in values.items():
        groups.setdefault(index[0], {})[index[1:]] = value
    return [nested(groups[n], leaf) for n in sorted(groups)]


def _leaf(cell: CertifiedCell) -> dict[str, Any]:
    return {
        "decimal": cell.decimal,
        "double": cell.nearest,
        "hex": cell.nearest.hex(),
        "bound": rounded_up(cell.bound),
    }


def rounded_up(bound: float) -> float:
    """Return a bound to four digits, upwards: no machine's last bit shows in a file."""
    exact = Decimal(bound)
    if not exact:
        return 0.0
    unit = Decimal(1).scaleb(exact.adjusted() - 3)
    return float(exact.quantize(unit, rounding=ROUND_UP))


def as_text(document: Mapping[str, Any]) -> str:
    """Return a document as JSON, one value a line."""
    return _written(document, 0) + "\n"


def _written(value: Any, depth: int) -> str:
    inner, outer = " " * (depth + 1), " " * depth
    if not isinstance(value, (Mapping, list)) or _flat(value):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        lines = [f"{inner}{json.dumps(k)}: {_written(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{outer}}}"
    lines = [f"{inner}{_written(v, depth + 1)}" for v in value]
    return "[\n" + ",\n".join(lines) + f"\n{outer}]"


def _flat(value: Mapping[str, Any] | list[Any]) -> bool:
    """Tell whether a value fits a line: a number with its digits, or a plain list."""
    if isinstance(value, Mapping):
        return "double" in value
    return not any(isinstance(item, (Mapping, list)) for item in value)
