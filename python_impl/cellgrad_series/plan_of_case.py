"""The plan of a case with many updates: its run, and the classification of its validation set."""

from __future__ import annotations

from cellgrad.case.model import Case
from cellgrad_series.parts.classification import LIMIT, ClassificationShape
from cellgrad_series.parts.run import RunShape
from cellgrad_series.plan import Chart, Part, Plan, Reference, Series

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
    if case.validation and case.loss and case.network.nodes[-1] <= _MOST_CLASSES:
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


_MOST_CLASSES = 16


def class_constants(case: Case) -> dict[str, float]:
    """Return the single givens of a classification: the limit of class 1, a leaky slope."""
    found = {"limit": LIMIT} if case.network.nodes[-1] == 1 else {}
    if "leaky_relu" in case.network.activations:
        found["leaky_slope"] = case.network.leaky_slope
    return found
