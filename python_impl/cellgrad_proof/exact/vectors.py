"""Certified test vectors of a case: what ``reference/certified/`` holds.

The values are those of the workbook's formulas (``certify``); each is written only if the
definitions, worked out from the case file, agree in 45 digits or more. Neither route is the
MLP, and none of its values is read.

A document has the shape of a trace (``reference/schema/trace.schema.json``), with an object in
place of every number. A run's updates each start from given doubles, which it lists.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from flint import fmpq
from mpmath.libmp import to_rational

from cellgrad.case.model import Case
from cellgrad.case.quantities import Index, Key, Structure, quantities
from cellgrad.described import describe
from cellgrad.errors import CaseError, InputError
from cellgrad.xlsx.addresses import Place, place_text
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.map_sheet import SHEET
from cellgrad_proof.exact import enclosures
from cellgrad_proof.exact.certified import Certified, CertifiedCell, certify
from cellgrad_proof.exact.definition import quantities_of, run_quantities
from cellgrad_proof.exact.definition.holdings import PART, CaseFile, Sheets, cells_of
from cellgrad_proof.exact.definition.update import DIGITS, Found, Real, working_precision
from cellgrad_series.parts.run import START, RunShape

FORMAT = "cellgrad-certified/1"

MOST_CHAINED = 50
"""Runs of at most so many updates are also certified from end to end."""


class CertificationError(InputError):
    """A value that could not be certified, or on which the two routes do not agree."""


def document(case: Case, sha256: str, workbook: Path) -> dict[str, Any]:
    """Return the certified values of a case.

    Args:
        case: the case.
        sha256: the checksum of its file, in hexadecimal.
        workbook: a workbook that was built from it.

    Raises:
        CertificationError: a cell could not be certified, or the routes do not agree.
        WorkbookError: the workbook cannot be read.
    """
    book = read_book(workbook)
    certified = certify(book)
    _refuse_failures(case, certified)
    cells = _cells(certified)
    single = case.is_step()
    held = CaseFile(case, None if single else _leftovers(certified, cells))
    with working_precision():
        agreed = _agreed(case, cells, quantities_of(held, PART))
    updates = 1 if single else RunShape.of(case).updates
    found: dict[str, Any] = {
        "schema": FORMAT,
        "case": case.id,
        "provenance": {
            "case_file": f"reference/cases/{case.id}.json",
            "case_sha256": sha256,
            "values": "the formulas of the case's workbook, cell by cell, "
            "in rational numbers and in balls",
            "verified_by": "the definitions of reference/equations.md, from the case file; "
            "derivatives by a complex step of E",
            "working_digits": [int(enclosures.BITS * math.log10(2)), DIGITS],
            "tools": {name: version(name) for name in ("python-flint", "mpmath")},
            "values_compared": sum(len(values) for values in cells.values()),
            "digits_agreed": agreed,
        },
    }
    if single:
        found["steps"] = [step_values(case.structure(), cells)]
        return found
    shape = RunShape.of(case)
    found["steps"] = [
        {
            "starts_from": _start(held, shape, row),
            **step_values(shape.structure(shape.batch(row)[1]), row_of(cells, row)),
        }
        for row in range(updates)
    ]
    if updates <= MOST_CHAINED:
        found["chain"] = _chain(case, book, held, updates)
    return found


def final_parameters(case: Case, workbook: Path) -> dict[str, Any]:
    """Return the parameters after all updates of a case, without any rounding on the way.

    Biases that a case leaves as they are do not appear.

    Args:
        case: of at most ``MOST_CHAINED`` updates.
        workbook: a workbook that was built from it.

    Raises:
        CertificationError: they could not be certified, or the routes do not agree.
        WorkbookError: the workbook cannot be read.
    """
    book = read_book(workbook)
    if not case.is_step():
        return _chain(case, book, CaseFile(case), RunShape.of(case).updates)
    certified = certify(book)
    for place, reason in certified.failed.items():
        claim = certified.scopes.claim_of(place)
        if claim is not None and claim.kind == "step":  # a difference on Check may be exactly 0
            raise CertificationError(f"{claim.label}: {reason}", file=case.id)
    last = _new_parameters(_cells(certified))
    with working_precision():
        return _nested_parameters(last, _agreed(case, last, quantities_of(CaseFile(case), PART)))


def _refuse_failures(case: Case, certified: Certified) -> None:
    problems = certified.problems()
    if problems:
        raise CertificationError(problems[0], file=case.id, remedy="certify another case")


def _cells(certified: Certified) -> Cells:
    """Return the cells of the case's step or run by quantity; of copies of a value the first."""
    parts = certified.scopes.parts.items()
    part = next((name for name, facts in parts if facts.get("kind") in ("step", "run")), "")
    cells: Cells = {}
    for cell in certified.cells.values():
        claim = cell.claim
        if claim is None or claim.part != part or claim.kind != "step":
            continue
        if claim.quantity not in ("input", "target"):
            cells.setdefault(claim.key, {}).setdefault(cell.index, cell)
    return cells


def _leftovers(certified: Certified, cells: Cells) -> dict[Key, dict[Index, float]]:
    """Return the doubles that each row of a run leaves to the next."""
    found: dict[Key, dict[Index, float]] = {}
    for key, values in cells.items():
        for index, cell in values.items():
            value = certified.held(cell.place)
            if isinstance(value, float):
                found.setdefault(key, {})[index] = value
    return found


def _agreed(case: Case, cells: Cells, defined: Found) -> int:
    """Return the fewest digits in which the routes agree, at most the 50 that are printed."""
    fewest = float(enclosures.DIGITS)
    for key, values in cells.items():
        for index, cell in values.items():
            value = defined.get(key, {}).get(index)
            agreed = -1.0 if value is None else agreed_digits(cell.exact, value)
            if agreed < WANTED:
                raise CertificationError(
                    f"the two routes agree in {max(agreed, 0):.0f} digits of {key[0]}{list(index)}",
                    file=case.id,
                )
            fewest = min(fewest, agreed)
    return int(fewest)


def _start(held: CaseFile, shape: RunShape, row: int) -> dict[str, Any]:
    """Return the doubles that an update starts from, in the shape of a trace."""
    found: dict[str, Any] = {}
    layers = shape.step.layers
    names = ["weights", *(["biases"] if shape.step.biases else []), *shape.state()]
    for name in names:
        left = f"new_{name}" if name in ("weights", "biases") else name
        lone = name.endswith("_power")
        by_layer = []
        for k in [None] if lone else range(layers):
            first = held.values(PART, (START + name, k))
            above = held.values(PART, (left, k)) if held.holds(PART, (left, k)) else {}
            values = row_of({(left, k): above}, row - 1).get((left, k)) if row else None
            by_layer.append(nested(values or first, lambda value: value))
        found[name] = by_layer[0] if lone else by_layer
    return found


def _chain(case: Case, book: Book, held: CaseFile, updates: int) -> dict[str, Any]:
    """Return the parameters after the whole run, without any rounding on the way.

    Raises:
        CertificationError: they could not be certified, or the routes do not agree.
    """
    certified = certify(book, chained=True)
    _refuse_failures(case, certified)
    last = _new_parameters(row_of(_cells(certified), updates - 1))
    with working_precision():
        defined = row_of(run_quantities(held, PART, chained=True), updates - 1)
        return _nested_parameters(last, _agreed(case, last, defined))


def _new_parameters(cells: Cells) -> Cells:
    return {key: cells[key] for key in cells if key[0] in ("new_weights", "new_biases")}


def _nested_parameters(last: Cells, agreed: int) -> dict[str, Any]:
    """Return parameters as in a trace, a number with its digits in each place."""
    found: dict[str, Any] = {"digits_agreed": agreed}
    for name, short in (("new_weights", "weights"), ("new_biases", "biases")):
        layers = [values for (n, _), values in sorted(last.items(), key=_by_layer) if n == name]
        if layers:
            found[short] = [nested(values, _decimal) for values in layers]
    return found


def _by_layer(item: tuple[Key, object]) -> int:
    return item[0][1] or 0


def _decimal(cell: CertifiedCell) -> dict[str, Any]:
    return {"decimal": cell.decimal, "double": cell.nearest, "hex": cell.nearest.hex()}


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
    return {**_decimal(cell), "bound": rounded_up(cell.bound)}


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


WANTED = 45
"""In so many digits the routes must agree."""

_COMPUTED = ("step", "check")
_LEFT = fmpq(10) ** (20 - DIGITS)
"""Where one route says exactly 0, the other may leave so much behind."""


@dataclass(slots=True)
class Agreement:
    """What comparing the routes showed.

    Attributes:
        cells: how many cells both routes computed.
        digits: the fewest digits in which they agree (at most 50 are certified).
        worst: the cell with the fewest.
        missing: cells that only one route has.
    """

    cells: int = 0
    digits: float = math.inf
    worst: str = ""
    missing: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether every cell agrees in 45 digits."""
        return bool(self.cells) and not self.missing and self.digits >= WANTED


def agreement(certified: Certified) -> Agreement:
    """Compare every computed number of a workbook with what its definition comes to.

    Raises:
        CaseError: the Map does not describe the workbook.
    """
    described = describe(certified.book)
    if described.unusable:
        raise CaseError(described.unusable[1], file=certified.book.path, place=SHEET)
    sheets = Sheets(described, certified.held)
    result = Agreement()
    for part in sheets.parts:
        with working_precision():
            defined = quantities_of(sheets, part)
        for claim in sheets.claims(part):
            if claim.kind not in _COMPUTED and claim.quantity != "result":
                continue
            values = defined.get(claim.key, {})
            for index, place in cells_of(claim):
                _compare(result, certified, place, values.get(index))
    return result


def _compare(result: Agreement, certified: Certified, place: Place, value: Real | None) -> None:
    cell = certified.cells.get(place)
    name = place_text(place)
    if cell is None or value is None:
        # a decision line of height nowhere has no value on either route
        if cell is not None or value is not None or certified.failed[place] != "a division by 0":
            result.missing.append(name)
        return
    result.cells += 1
    agreed = agreed_digits(cell.exact, value)
    if agreed < result.digits:
        result.digits, result.worst = agreed, name


def agreed_digits(exact: fmpq, value: Real) -> float:
    """Return in how many digits a number of the second route agrees; infinite if in all."""
    if isinstance(value, int):
        gap = fmpq(value) - exact
    else:
        gap = fmpq(*map(int, to_rational(value._mpf_))) - exact
    if not exact and -_LEFT < gap < _LEFT:
        return math.inf
    return enclosures.digits_of_share(gap, exact)
