"""A student's givens: pleasant to type, of a fit shape; drawn one by one, or derived of an id.

Where every student has a workbook, numbers are drawn from a stream until they fit. Where one file
serves all, they follow from the id by rules in visible formulas. The rules are the same: a size
that is one of some whole numbers over a base, and how often it is negative. Whether numbers tell
mistakes apart is judged elsewhere (discriminate).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.givens import givens_of, with_givens
from cellgrad.case.model import Case, Matrix, Network, Sample, Vector
from cellgrad.case.quantities import Structure, quantities
from cellgrad.errors import InputError
from cellgrad_audit.bugs.program import Program
from cellgrad_coursework.derivation import ONE_OF, REST, SIGNED, Constants, Rule, numbers
from cellgrad_coursework.secret import Stream
from cellgrad_coursework.setting.assignment import DYADIC, Assignment

LARGEST = 6.0
"""Beyond this a pre-activation is flat, and every derivative vanishes."""

CLEAR = 0.02
"""A pre-activation or an error below this is too close to 0 to decide anything."""

MOST_DERIVED = 2_000
"""So many numbers can be derived in one file."""

_TRIES = 60
_FULL_LAYER = 40
_FEW = 6

Place = tuple[str, int | None, tuple[int, ...]]
"""A given: its code name, its layer, its index."""


def rule_of(assignment: Assignment, name: str, layer: int = 0) -> Rule:
    """Return by which rule a given of the assignment is made.

    Args:
        assignment: the assignment.
        name: ``input``, ``target``, ``weights`` or ``biases``.
        layer: the weight layer, of weights.
    """
    s = assignment.structure
    base, low, high = (16, 2, 15) if assignment.style == DYADIC else (100, 11, 98)
    if name == "target":
        return _target_rule(s, base, low)
    if name == "input":
        return Rule(SIGNED, low, high - low, base, 1)
    if name == "weights" and base == 16 and s.nodes[layer] <= _FEW:
        high = 23  # sixteenths need room above 1
    return Rule(SIGNED, low, high - low + 1, base, 2)


def _target_rule(s: Structure, base: int, lowest: int) -> Rule:
    """Return the rule of a target by itself; those of categories sum to 1 and have others."""
    activation = s.activations[-1]
    if s.loss == "perceptron":
        return Rule(SIGNED, 0, 2, 1)
    low, high, negative = base // 16, base - base // 16, 0
    if activation == "tanh":
        negative = 2
    elif activation in ("identity", "leaky_relu", "relu"):
        low, high = lowest, base + base // 2
        negative = 0 if activation == "relu" else 1
    return Rule(SIGNED, low, high - low + 1, base, negative)


# drawn from a stream


def draw_case(assignment: Assignment, stream: Stream) -> Case:
    """Return a case with numbers of the stream; it may be unfit."""
    s, samples = assignment.structure, assignment.samples
    if samples is not None:
        inputs = [sample.input for sample in samples]
    else:
        inputs = _inputs(stream, rule_of(assignment, "input"), s.samples, s.nodes[0])
    weights: list[Matrix] = []
    biases: list[Vector] = []
    incoming = np.array(inputs)
    for k in range(s.layers):
        w, b = _layer(stream, assignment, k)
        if s.activations[k] == "relu":
            incoming = _awaken(incoming, w, b)
        else:
            incoming = _rough(s.activations[k], incoming @ np.array(w) + np.array(b))
        weights.append(tuple(tuple(row) for row in w))
        biases.append(tuple(b))
    network = Network(
        s.nodes,
        s.activations,
        tuple(weights),
        tuple(biases) if s.biases else None,
        assignment.leaky_slope,
    )
    if samples is None:
        targets = [_target(stream, assignment) for _ in inputs]
        samples = tuple(Sample(tuple(i), t) for i, t in zip(inputs, targets, strict=True))
    return assignment.case(network, samples)


def _number(stream: Stream, rule: Rule, taken: Iterable[int] = ()) -> int:
    """Return a whole number whose size is not taken, if one is left."""
    used = {abs(number) for number in taken}
    for _ in range(_TRIES):
        size = rule.low + stream.below(rule.span)
        if size not in used:
            break
    return -size if stream.below(4) < rule.negative else size


def _inputs(stream: Stream, rule: Rule, samples: int, nodes: int) -> list[Vector]:
    rows: list[list[int]] = []
    for _ in range(samples):
        row: list[int] = []
        for column in range(nodes):
            above = [other[column] for other in rows]
            row.append(_number(stream, rule, [*row, *above]))
        rows.append(row)
    return [tuple(number / rule.base for number in row) for row in rows]


def _layer(stream: Stream, assignment: Assignment, k: int) -> tuple[list[list[float]], list[float]]:
    """Return weights and biases of a layer; biases of 0 where there are none."""
    s = assignment.structure
    n, m = s.nodes[k], s.nodes[k + 1]
    rule, bias_rule = rule_of(assignment, "weights", k), rule_of(assignment, "biases", k)
    rows: list[list[int]] = []
    every: list[int] = []
    for i in range(n):
        row: list[int] = []
        for j in range(m):
            near = [*row, *(rows[above][j] for above in range(i))]
            row.append(_number(stream, rule, every if n * m <= _FULL_LAYER else near))
            every.append(row[-1])
        rows.append(row)
    shifts: list[int] = []
    for _ in range(m if s.biases else 0):
        shifts.append(_number(stream, bias_rule, shifts))
    weights = [[number / rule.base for number in row] for row in rows]
    return weights, [number / bias_rule.base for number in shifts] or [0.0] * m


def _awaken(
    incoming: NDArray[np.float64], weights: list[list[float]], biases: list[float]
) -> NDArray[np.float64]:
    """Turn a node's weights round where it would be silent in every sample; return fA."""
    pre = incoming @ np.array(weights) + np.array(biases)
    for j in range(len(biases)):
        if pre[:, j].max() <= 0:
            for row in weights:
                row[j] = -row[j]
            biases[j] = -biases[j] if biases[j] else 0.0
            pre[:, j] = -pre[:, j]
    return np.asarray(np.maximum(pre, 0.0))


def _rough(activation: str, pre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return fA, good enough to see which nodes of the next layer are silent."""
    if activation == "logistic":
        return np.asarray(1.0 / (1.0 + np.exp(-pre)))
    if activation == "tanh":
        return np.asarray(np.tanh(pre))
    return np.asarray(np.where(pre > 0, pre, 0.01 * pre) if activation == "leaky_relu" else pre)


def _target(stream: Stream, assignment: Assignment) -> Vector:
    s, rule = assignment.structure, rule_of(assignment, "target")
    if s.loss == "perceptron":
        return tuple(float(stream.below(2)) for _ in range(s.outputs))
    if s.loss == "categorical_cross_entropy":
        return _shares(stream, rule.base, s.outputs)
    return tuple(_number(stream, rule) / rule.base for _ in range(s.outputs))


def _shares(stream: Stream, base: int, outputs: int) -> Vector:
    """Return targets that sum to 1: shares of the base, one of them the largest."""
    if outputs * 3 > base:
        one = stream.below(outputs)
        return tuple(float(o == one) for o in range(outputs))
    smallest = max(1, base // (6 * outputs))
    left = base - smallest * outputs
    cuts = sorted(stream.below(left + 1) for _ in range(outputs - 1))
    parts = [b - a for a, b in zip([0, *cuts], [*cuts, left], strict=True)]
    return tuple((smallest + part) / base for part in parts)


def why_unfit(case: Case) -> str:
    """Return why these numbers make a poor exercise, or nothing.

    Source: the degenerate choices of reference/bugs.md, as far as they depend on what is
    drawn.
    """
    with np.errstate(all="ignore"):
        table = Program(case, keep={1}, last=1).run().steps[0]
    for (name, _), values in table.items():
        if not np.all(np.isfinite(values)):
            return "a number is not finite"
        if name == "pre_activation":
            if np.abs(values).max() > LARGEST:
                return f"a pre-activation beyond {LARGEST:g}"
            if np.abs(values).min() < CLEAR:
                return "a pre-activation of 0, or nearly"
        if name == "final_error":
            steps = case.loss == "perceptron"
            if steps and not np.all(np.abs(values).max(axis=0) > 0):
                return "an output with nothing to learn"
            if not steps and np.abs(values).min() < CLEAR:
                return "an error of 0, or nearly"
    return ""


# derived of an id


@dataclass(frozen=True, slots=True)
class Plan:
    """What a one-file assignment derives.

    Attributes:
        places: the derived givens, in the order of the chain.
        rules: theirs.
        shape: any case of the assignment; the derived givens are put into it.
    """

    places: tuple[Place, ...]
    rules: tuple[Rule, ...]
    shape: Case

    def case(self, constants: Constants, start: int) -> Case:
        """Return the case of a chain that begins at a start."""
        chain = zip(self.rules, numbers(constants, self.rules, start), strict=True)
        return with_scalars(self.shape, self.places, [n / rule.base for rule, n in chain])


def plan_of(assignment: Assignment) -> Plan:
    """Return what an assignment derives.

    Raises:
        InputError: that is more than a sheet should show.
    """
    pairs = list(_derived(assignment))
    if len(pairs) > MOST_DERIVED:
        raise InputError(
            f"one file for all would derive {len(pairs):,} numbers, at most {MOST_DERIVED:,} "
            "can be",
            place="network.nodes",
            remedy="take a smaller network or fewer samples, or one_file = false",
        )
    places, rules = zip(*pairs, strict=True)
    return Plan(places, rules, draw_case(assignment, Stream(b"shape")))


def given_places(structure: Structure) -> Iterator[Place]:
    """Yield every given of a step."""
    for quantity in quantities(structure):
        if quantity.given:
            for index in np.ndindex(quantity.shape):
                yield quantity.name, quantity.layer, index


def _derived(assignment: Assignment) -> Iterator[tuple[Place, Rule]]:
    s = assignment.structure
    for name, layer, index in given_places(s):
        if not index or (name in ("input", "target") and assignment.samples is not None):
            continue
        rule = rule_of(assignment, name, layer or 0)
        if name == "target" and s.loss == "categorical_cross_entropy":
            rule = _share_rule(rule.base, s.outputs, index[1])
        elif layer is not None and s.activations[layer] == "relu":
            rule = replace(rule, negative=1)  # a silent node teaches nothing
        yield (name, layer, index), rule


def _share_rule(base: int, outputs: int, output: int) -> Rule:
    """Return the rule of one of several targets that sum to 1."""
    if outputs * 3 > base:
        return Rule(ONE_OF, 0, outputs, 1, back=output)
    if output == outputs - 1:
        return Rule(REST, 0, 1, base, back=output)
    least = max(1, base // (6 * outputs))
    return Rule(SIGNED, least, (base - least * outputs) // (outputs - 1) + 1, base)


def with_scalars(case: Case, places: Iterable[Place], values: Iterable[float]) -> Case:
    """Return a case with other numbers in some places."""
    givens = givens_of(case)
    for (name, layer, index), value in zip(places, values, strict=True):
        givens[name, layer][index] = value
    return with_givens(case, givens)
