"""An assignment: what a lecturer hands out, read from TOML.

Source: reference/schema/assignment.schema.json; ``cellgrad assign --init`` writes an example.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cellgrad.case.givens import case_of
from cellgrad.case.model import (
    DEFAULT_LEAKY_SLOPE,
    Case,
    Conventions,
    Network,
    Optimizer,
    Sample,
    Source,
    case_document,
    parse_case,
)
from cellgrad.case.quantities import OUTPUTS_OF, Key, Quantity, Structure, quantities
from cellgrad.errors import CaseError, InputError
from cellgrad.files import broken_rule, holds_control, read_limited, read_schema, read_toml
from cellgrad_audit.bugs.catalogue import CONVENTION, by_id, entries
from cellgrad_coursework.model import FORMULA, Policy
from cellgrad_coursework.setting.assignment_problems import (
    did_you_mean,
    one_of,
    place_in_words,
    plain_reason,
    problem,
    with_dates_as_texts,
)

SCHEMA = "cellgrad-assignment/1"
MAX_BYTES = 1 << 20
MIN_DECIMALS = 4
MAX_GRADED = 5_000
DECIMAL, DYADIC = "decimal", "dyadic"


@dataclass(frozen=True, slots=True)
class Blank:
    """A quantity that students fill in.

    Attributes:
        quantity: which.
        takes: ``formula`` or ``value``.
        decimals: of typed values.
        points: of each cell.
        together: of all its cells, where the assignment says it so.
    """

    quantity: Quantity
    takes: str
    decimals: int
    points: float
    together: float | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """What is handed out.

    Attributes:
        id: its short name.
        title: for people.
        course: for people; may be empty.
        due: as the lecturer writes it; may be empty.
        instructions: further paragraphs for the students.
        show_equations: whether the handout shows the equations.
        structure: the training step.
        learning_rate: the same for all.
        weight_decay: the same for all.
        leaky_slope: the same for all.
        conventions: what the lecturer's own equations do differently.
        samples: the samples, where all students have the same; None where each draws some.
        style: how numbers are drawn: ``decimal`` or ``dyadic``.
        blanks: what is to be filled in, in the order of the flow.
        policy: how verdicts become points.
        one_file: whether one file serves all: the id that is typed into it makes the numbers.
    """

    id: str
    title: str
    course: str
    due: str
    instructions: tuple[str, ...]
    show_equations: bool
    structure: Structure
    learning_rate: float
    weight_decay: float
    leaky_slope: float
    conventions: Conventions
    samples: tuple[Sample, ...] | None
    style: str
    blanks: tuple[Blank, ...]
    policy: Policy = field(default_factory=Policy)
    one_file: bool = False

    def blank_of(self) -> dict[Key, Blank]:
        """Return what is to be filled in, by quantity."""
        return {blank.quantity.key: blank for blank in self.blanks}

    def case(self, network: Network, samples: tuple[Sample, ...]) -> Case:
        """Return the case of these weights and samples."""
        return Case(
            id=self.id,
            title=self.title,
            network=network,
            loss=self.structure.loss,
            samples=samples,
            update=self.structure.update,
            learning_rate=self.learning_rate,
            optimizer=Optimizer(weight_decay=self.weight_decay),
            conventions=self.conventions,
            source=Source(title="drawn for this student"),
        )


def read_assignment(path: Path) -> Assignment:
    """Read an assignment.

    Raises:
        InputError: the file cannot be read, is no TOML, no assignment, or its parts do not
            fit; the line names the key.
    """
    try:
        return parse_assignment(read_limited(path, MAX_BYTES))
    except InputError as error:
        raise error.within(path) from error


def parse_assignment(data: bytes) -> Assignment:
    """Return the assignment that TOML bytes describe.

    Raises:
        InputError: no TOML, no assignment, or its parts do not fit.
    """
    document = _load(data)
    _check_texts(document, "")
    structure = _structure(document)
    training, network = document["training"], document["network"]
    lines = document.get("instructions", "").splitlines()
    assignment = Assignment(
        id=document["id"],
        title=document["title"],
        course=document.get("course", ""),
        due=document.get("due", ""),
        instructions=tuple(filter(None, map(str.strip, lines))),
        show_equations=document.get("show_equations", True),
        structure=structure,
        learning_rate=float(training["learning_rate"]),
        weight_decay=float(training.get("weight_decay", 0.0)),
        leaky_slope=float(network.get("leaky_slope", DEFAULT_LEAKY_SLOPE)),
        conventions=Conventions(**training.get("conventions", {})),
        samples=_samples(training),
        style=document.get("numbers", {}).get("style", DECIMAL),
        blanks=_blanks(document, structure),
        policy=_policy(document.get("grading", {})),
        one_file=document.get("one_file", False),
    )
    _check_samples(assignment)
    return assignment


def _load(data: bytes) -> dict[str, Any]:
    try:
        document = with_dates_as_texts(read_toml(data))
    except InputError as error:
        raise plain_reason(data) or error from error
    broken = broken_rule(document, "assignment")
    if broken is not None:
        raise problem(broken, read_schema("assignment"))
    return document


def _check_texts(value: Any, path: str) -> None:
    """Texts end up in cells and on terminals; numbers must be doubles."""
    place = place_in_words(path)
    if isinstance(value, str) and holds_control(value):
        raise InputError("holds a control character", place=place, remedy="write plain text")
    if isinstance(value, float | int) and not isinstance(value, bool):
        try:
            finite = math.isfinite(float(value))
        except OverflowError:
            finite = False
        if not finite:
            raise InputError("is no finite number", place=place, remedy="give a finite number")
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_texts(inner, f"{path}.{name}" if path else name)
    if isinstance(value, list):
        for number, inner in enumerate(value):
            _check_texts(inner, f"{path}[{number}]")


def _structure(document: Mapping[str, Any]) -> Structure:
    network, training = document["network"], document["training"]
    samples = training.get("samples", 1)
    count = samples if isinstance(samples, int) else len(samples)
    update = training.get("update", "online" if count == 1 else "")
    if not update:
        raise InputError(
            f"says nothing of how {count} samples make one update",
            place="training.update",
            remedy='write update = "batch_sum" or "batch_mean"',
        )
    _check_loss(network, training["loss"])
    conventions = training.get("conventions", {})
    try:
        return Structure(
            nodes=tuple(network["nodes"]),
            activations=tuple(network["activations"]),
            loss=training["loss"],
            update=update,
            samples=count,
            biases=network.get("biases", False),
            decay=training.get("weight_decay", 0) != 0,
            update_biases=conventions.get("update_biases", True),
            error_sign=conventions.get("error_sign", "output_minus_target"),
            decay_biases=conventions.get("decay_biases", False),
        )
    except CaseError as error:
        raise InputError(error.problem, place=_key(error.place), remedy=error.remedy) from error


def _check_loss(network: Mapping[str, Any], loss: str) -> None:
    """Refuse a loss that does not go with the outputs: the loss is what was forgotten."""
    outputs = network["activations"][-1]
    fitting = [name for name, permitted in OUTPUTS_OF.items() if outputs in permitted]
    if loss not in fitting:
        loss_for = " or ".join(f'"{name}"' for name in fitting)
        others = " or ".join(OUTPUTS_OF[loss])
        raise InputError(
            f"{loss} does not go with {outputs} outputs",
            place="training.loss",
            remedy=f"write loss = {loss_for}; or, to keep the loss, take {others} outputs",
        )
    if outputs == "softmax" and network["nodes"][-1] == 1:
        raise InputError(
            "softmax over one output is always 1, so nothing is learnt",
            place="network.nodes",
            remedy="give two outputs or more, or one logistic output with binary_cross_entropy",
        )


def _key(place: str) -> str:
    """Return the TOML key of a place in a case."""
    if place.startswith("network"):
        return place_in_words(place)
    return place_in_words(f"training.{place}") if place else "training.update"


def _samples(training: Mapping[str, Any]) -> tuple[Sample, ...] | None:
    samples = training.get("samples", 1)
    if isinstance(samples, int):
        return None
    return tuple(
        Sample(tuple(map(float, item["input"])), tuple(map(float, item["target"])))
        for item in samples
    )


def _check_samples(assignment: Assignment) -> None:
    """Let the reader of cases judge whether shared samples fit the network and the loss."""
    if assignment.samples is None:
        return
    halves = {q.key: np.full(q.shape, 0.5) for q in quantities(assignment.structure) if q.given}
    network = case_of(assignment.structure, halves).network
    network = replace(network, leaky_slope=assignment.leaky_slope)
    try:
        parse_case(json.dumps(case_document(assignment.case(network, assignment.samples))).encode())
    except InputError as error:
        raise InputError(error.problem, place=_key(error.place), remedy=error.remedy) from error


def _policy(grading: Mapping[str, Any]) -> Policy:
    known = {entry.id for entry in entries() if entry.kind == CONVENTION}
    for number, name in enumerate(grading.get("conventions", ())):
        if name not in known:
            entry = by_id().get(name)
            raise InputError(
                f"{name!r} is {'a mistake, ' if entry else ''}no convention of the catalogue",
                place=place_in_words(f"grading.conventions[{number}]"),
                remedy=one_of(name, sorted(known)),
            )
    usual = asdict(Policy())
    return Policy(**{name: type(usual[name])(value) for name, value in grading.items()})


def computed_quantities(structure: Structure) -> list[Quantity]:
    """Return everything that a step computes: all that can be blank."""
    return [quantity for quantity in quantities(structure) if not quantity.given]


def _quantities_meant(structure: Structure, name: str, place: str) -> list[Quantity]:
    """Return the computed quantities that a name stands for.

    A label (``S_ERROR_H``) or a defined name stands for one, a code name
    (``error_signal``) for those of every layer.
    """
    everything = computed_quantities(structure)
    known: list[list[str]] = []
    for part in ("defined_name", "label", "name"):
        meant = [quantity for quantity in everything if getattr(quantity, part) == name]
        if meant:
            return meant
        known.append(list(dict.fromkeys(getattr(quantity, part) for quantity in everything)))
    names, labels, kinds = known
    close = did_you_mean(name, [*names, *labels, *kinds])
    given = any(name in (q.name, q.label, q.defined_name) for q in quantities(structure))
    raise InputError(
        f"{name!r} is {'given, not computed' if given else 'nothing that this step computes'}",
        place=place,
        remedy=f"{close}use one of {', '.join(names)}; or of every layer: {', '.join(kinds)}",
    )


def _blanks(document: Mapping[str, Any], structure: Structure) -> tuple[Blank, ...]:
    usual = document.get("blanks", {})
    asked = usual.get("quantities", "all")
    everything = computed_quantities(structure)
    chosen: dict[Key, str] = {}
    if asked == "all":
        chosen = dict.fromkeys((quantity.key for quantity in everything), "blanks.quantities")
    else:
        for number, name in enumerate(asked):
            place = place_in_words(f"blanks.quantities[{number}]")
            for quantity in _quantities_meant(structure, name, place):
                if quantity.key in chosen:
                    raise InputError(f"{name!r} stands twice", place=place, remedy="keep one")
                chosen[quantity.key] = place
    rules = _rules(document.get("quantity", ()), structure, chosen)
    blanks = []
    for quantity in everything:
        if quantity.key not in chosen:
            continue
        rule = {**usual, **rules.get(quantity.key, {})}
        points, together = float(rule.get("points", 1.0)), None
        if "points_together" in rule:
            together = float(rule["points_together"])
            points = together / math.prod(quantity.shape)
        takes, decimals = rule.get("takes", FORMULA), int(rule.get("decimals", MIN_DECIMALS))
        blanks.append(Blank(quantity, takes, decimals, points, together))
    cells = sum(math.prod(blank.quantity.shape) for blank in blanks)
    if cells > MAX_GRADED:
        raise InputError(
            f"{cells:,} cells are to be filled in, at most {MAX_GRADED:,} can be",
            place="network.nodes",
            remedy="take a smaller network, or blank fewer quantities",
        )
    if not any(blank.points for blank in blanks):
        raise InputError(
            "nothing is worth any points", place="blanks.points", remedy="give points to something"
        )
    return tuple(blanks)


def _rules(
    items: Sequence[Mapping[str, Any]], structure: Structure, chosen: Mapping[Key, str]
) -> dict[Key, Mapping[str, Any]]:
    rules: dict[Key, Mapping[str, Any]] = {}
    for number, item in enumerate(items):
        place = place_in_words(f"quantity[{number}].name")
        meant = _quantities_meant(structure, item["name"], place)
        if "points_together" in item and len(meant) > 1:
            raise InputError(
                f"{item['name']!r} stands for several quantities",
                place=place_in_words(f"quantity[{number}].points_together"),
                remedy=f"name one: {', '.join(q.defined_name for q in meant)}",
            )
        for quantity in meant:
            if quantity.key in rules:
                raise InputError(
                    f"{item['name']!r} has a rule already", place=place, remedy="join the two"
                )
            if quantity.key not in chosen:
                raise InputError(
                    f"{item['name']!r} is not blank",
                    place=place,
                    remedy="add it to blanks.quantities, or leave the rule out",
                )
            rules[quantity.key] = item
    return rules
