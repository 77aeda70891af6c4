"""Which cells are graded and which are given, as the manifest lists them."""

from __future__ import annotations

from itertools import product

from cellgrad.case.quantities import person_label, quantities
from cellgrad.workbook.formulas import Formulas
from cellgrad.workbook.layout import StepLayout
from cellgrad.xlsx.addresses import a1, quoted
from cellgrad_coursework.model import FixedCell, GivenCell, GradedCell
from cellgrad_coursework.setting.assignment import Assignment


def graded_cells(assignment: Assignment, place: StepLayout) -> tuple[GradedCell, ...]:
    """Return what students fill in, in the order of the flow, with the right formulas."""
    structure = assignment.structure
    formulas = Formulas(structure, place.at, place.area)
    return tuple(
        GradedCell(
            sheet=place.sheet,
            address=a1(*place.places[blank.quantity.key].cell(index)),
            name=blank.quantity.defined_name,
            quantity=blank.quantity.name,
            layer=blank.quantity.layer,
            index=index,
            label=person_label(structure, blank.quantity, index),
            equation=blank.quantity.equation,
            takes=blank.takes,
            decimals=blank.decimals,
            points=blank.points,
            formula=formulas.of(blank.quantity.key, index)[1:],
        )
        for blank in assignment.blanks
        for index in product(*(range(size) for size in blank.quantity.shape))
    )


def given_cells(assignment: Assignment, place: StepLayout) -> tuple[GivenCell, ...]:
    """Return where the givens lie."""
    return tuple(
        GivenCell(
            place.sheet,
            a1(*place.places[quantity.key].cell(index)),
            quantity.name,
            quantity.layer,
            index,
            quantity.defined_name,
        )
        for quantity in quantities(assignment.structure)
        if quantity.given
        for index in product(*(range(size) for size in quantity.shape))
    )


def fixed_cells(assignment: Assignment, place: StepLayout) -> tuple[FixedCell, ...]:
    """Return what the handout computes itself: the copies beside the weights, and what is shown."""
    structure = assignment.structure
    formulas, blanks = Formulas(structure, place.at, place.area), assignment.blank_of()
    copies = [
        FixedCell(
            place.sheet,
            a1(*place.places["incoming", k].cell((sample, i))),
            place.at(("post_activation", k - 1), (sample, i)),
        )
        for k in range(1, structure.layers)
        for sample, i in product(range(structure.samples), range(structure.nodes[k]))
    ]
    shown = [
        FixedCell(
            place.sheet,
            a1(*place.places[quantity.key].cell(index)),
            formulas.of(quantity.key, index)[1:],
        )
        for quantity in quantities(structure)
        if not quantity.given and quantity.key not in blanks
        for index in product(*(range(size) for size in quantity.shape))
    ]
    return (*copies, *shown)


def names_of(assignment: Assignment, place: StepLayout) -> dict[str, str]:
    """Return the defined names of the quantities and what they refer to."""
    names = {}
    for quantity in quantities(assignment.structure):
        cells = place.places[quantity.key].cells
        area = a1(cells.top, cells.left, absolute=True)
        if (cells.height, cells.width) != (1, 1):
            area += f":{a1(cells.bottom, cells.right, absolute=True)}"
        names[quantity.defined_name] = f"{quoted(place.sheet)}!{area}"
    return names
