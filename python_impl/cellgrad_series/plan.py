"""The plan of a workbook: its parts, where each takes its numbers from, and its charts.

Nothing is computed here. A plan is read from a book description (``read_plan``) or made
for a case with many updates (``plan_of_case``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cellgrad.case.model import Case, Sample, Vector
from cellgrad.case.quantities import Index, Key
from cellgrad.described import Shape
from cellgrad.errors import CaseError
from cellgrad_series.parts.classification import LIMIT, MOST_CLASSES, ClassificationShape
from cellgrad_series.parts.run import RunShape
from cellgrad_series.parts.sweep import SweepShape


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a workbook.

    Attributes:
        name: the sheet's name.
        shape: what it computes.
        case: where its numbers come from; None where it needs no network.
        caption: one line at the top of the sheet.
        samples: the samples that it holds as givens, if any.
        validation: the validation samples of a run that evaluates them.
        data_sheet: the sheet of its samples, if they have one of their own.
        validation_sheet: the sheet of its validation samples.
        start: the part from which it takes its starting weights, if any.
        data: the part from which it takes its samples, if any.
        weights: the part whose last weights it uses, if any.
        values: what else is given: of a sweep the values of each axis, of a function
            the places, of a table its rows.
        constants: single givens by name, such as ``epsilon``.
        headings: what a table calls its first column and its numbers.
    """

    name: str
    shape: Shape
    case: Case | None = None
    caption: str = ""
    samples: tuple[Sample, ...] = ()
    validation: tuple[Sample, ...] = ()
    data_sheet: str = ""
    validation_sheet: str = ""
    start: str = ""
    data: str = ""
    weights: str = ""
    values: tuple[Vector, ...] = ()
    constants: dict[str, float] = field(default_factory=dict)
    headings: tuple[str, str] = ("", "")

    @property
    def kind(self) -> str:
        """Which kind of part it is."""
        return self.shape.kind


@dataclass(frozen=True, slots=True)
class Reference:
    """Numbers of a part for a chart: a quantity at an index, over its rows.

    Attributes:
        part: the part's name.
        quantity: the code name.
        layer: its weight layer, or None.
        index: the index after the axis of the rows.
        rows: the first and last row, both included; None for all.
    """

    part: str
    quantity: str
    layer: int | None = None
    index: tuple[int, ...] = ()
    rows: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or one set of points, of a chart.

    Attributes:
        y: the numbers shown.
        label: its name in the legend.
        x: the numbers along the horizontal axis, if not the chart's.
        points: markers without a line; None: as the chart says.
    """

    y: Reference
    label: str
    x: Reference | None = None
    points: bool | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """A native chart.

    Attributes:
        title: above it.
        kind: ``line``, ``scatter``, ``surface`` or ``bar``.
        series: what it shows.
        x: the common x values, if any.
        x_title: of the horizontal axis.
        y_title: of the vertical axis.
        points: markers without lines.
        log_y: a logarithmic vertical axis.
    """

    title: str
    kind: str
    series: tuple[Series, ...]
    x: Reference | None = None
    x_title: str = ""
    y_title: str = ""
    points: bool = False
    log_y: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A workbook: what it is about, its parts and its charts.

    Attributes:
        id: its name for programs.
        title: its name for people.
        number: its number in the series, or 0.
        about: paragraphs of the Guide.
        tries: things to do.
        parts: in the order of their sheets.
        charts: all on one sheet.
        source: where the numbers come from, in paragraphs.
    """

    id: str
    title: str
    parts: tuple[Part, ...]
    charts: tuple[Chart, ...] = ()
    number: int = 0
    about: tuple[str, ...] = ()
    tries: tuple[str, ...] = ()
    source: tuple[str, ...] = ()

    def part(self, name: str) -> Part:
        """Return a part by its name; KeyError if there is none."""
        return {part.name: part for part in self.parts}[name]


RUN, VALIDATION, TRAINING_DATA = "Epoch", "Validation", "Training"


def plan_of_case(case: Case) -> Plan:
    """Return the plan of a workbook with a row for every update of a case.

    Raises:
        CaseError: its parts do not go together.
    """
    shape = RunShape.of(case)
    rows = f"{shape.updates:,} update{'s' if shape.updates > 1 else ''}"
    parts = [
        Part(
            RUN,
            shape,
            case,
            caption=f"{rows}, one a row: each starts from the new weights of the row above",
            samples=case.samples,
            data_sheet=TRAINING_DATA,
        )
    ]
    about = [
        (
            "This workbook trains a small neural network, every number by a formula that you can "
            f"read. On {RUN} a row is one training step: from left to right its sample, the "
            "forward pass, the error, the error signals, the gradients and the new weights. The "
            "next row starts from the new weights of the row above it."
        )
    ]
    if case.validation and case.network.nodes[-1] <= MOST_CLASSES:
        parts.append(
            Part(
                VALIDATION,
                ClassificationShape.of(shape.step, len(case.validation)),
                case,
                caption="samples that were not trained on, classified with the last weights",
                samples=case.validation,
                weights=RUN,
                constants=class_constants(case),
            )
        )
        about.append(
            f"{VALIDATION} puts other samples to the network, with the weights of the last row, "
            "and counts how many are classified rightly."
        )
    chart = Chart(
        "E of each update, before it",
        "line",
        (Series(Reference(RUN, "error"), "E"),),
        x_title="update",
        y_title="E",
    )
    return Plan(
        case.id,
        case.title,
        tuple(parts),
        (chart,),
        about=tuple(about),
        tries=(
            f"Change a starting weight on {RUN}, or the learning rate, and every row follows.",
            f"Change a sample on {TRAINING_DATA}.",
        ),
        source=case.source.paragraphs(),
    )


def class_constants(case: Case) -> dict[str, float]:
    """Return the single givens of a classification: the limit of class 1, a leaky slope."""
    found = {"limit": LIMIT} if case.network.nodes[-1] == 1 else {}
    if "leaky_relu" in case.network.activations:
        found["leaky_slope"] = case.network.leaky_slope
    return found


def check_charts(plan: Plan) -> None:
    """Refuse a chart of something that no part computes.

    Raises:
        CaseError: a part or quantity is missing, or an index lies outside it.
    """
    for n, chart in enumerate(plan.charts):
        references = [one.y for one in chart.series] + [one.x for one in chart.series if one.x]
        for reference in [*references, *([chart.x] if chart.x else [])]:
            place = f"charts[{n}]"
            try:
                part = plan.part(reference.part)
            except KeyError as error:
                raise CaseError(f"there is no part {reference.part!r}", place=place) from error
            known = {quantity.key: quantity for quantity in part.shape.quantities()}
            key, index = find_charted(part, reference)
            if key not in known:
                raise CaseError(f"{reference.part!r} has no {reference.quantity!r}", place=place)
            shape = known[key].shape
            whole = chart.kind == "surface"
            rest = shape[1:] if not whole else ()
            fits = len(rest) == len(index) and all(
                i < size for i, size in zip(index, rest, strict=True)
            )
            rows = reference.rows or (0, 0)
            if not fits or not rows[0] <= rows[1] < shape[0]:
                raise CaseError(
                    f"{reference.quantity!r} of {reference.part!r} takes {len(rest)} numbers as "
                    f"index, inside {list(shape)}",
                    place=place,
                )


def find_charted(part: Part, reference: Reference) -> tuple[Key, Index]:
    """Return the quantity that a chart's reference means, and the index after its rows.

    ``weights`` of a run are those that each update starts from: the new ones of the row above.
    ``swept`` of a sweep over one parameter are its values.
    """
    key, index = (reference.quantity, reference.layer), reference.index
    if isinstance(part.shape, RunShape):
        if reference.quantity in ("weights", "biases"):
            key = (f"new_{reference.quantity}", reference.layer)
        known = {quantity.key: quantity for quantity in part.shape.quantities()}.get(key)
        if known and known.per_sample and len(index) == len(known.shape) - 2:
            index = (0, *index)  # of a batch, the first sample unless it is said
    one = isinstance(part.shape, SweepShape) and len(part.shape.counts) == 1
    if one and key == ("swept", None):
        key, index = ("axis", 0), ()
    return key, index
