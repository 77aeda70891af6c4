"""The Map sheet: what every formula cell of the workbook is."""

from __future__ import annotations

from cellgrad.case.model import Case
from cellgrad.case.structure import Structure
from cellgrad.workbook.canvas import Canvas
from cellgrad.xlsx.map_sheet import COLUMNS, FORMAT, Claim


def facts(case: Case, structure: Structure) -> dict[str, str]:
    """Return the words from which the structure of the step can be read back."""
    return {
        "format": FORMAT,
        "case": case.id,
        "nodes": "-".join(str(n) for n in structure.nodes),
        "activations": ", ".join(structure.activations),
        "loss": structure.loss,
        "update": structure.update,
        "samples": f"{structure.samples}",
        "biases": "yes" if structure.biases else "no",
        "update_biases": "yes" if structure.update_biases else "no",
        "weight_decay": "yes" if structure.decay else "no",
        "error_sign": structure.error_sign,
    }


def write_map(canvas: Canvas, case: Case, structure: Structure, claims: list[Claim]) -> None:
    """Write the facts, then one row a claimed rectangle."""
    canvas.text(1, 1, "What every cell is", "title")
    canvas.text(
        2,
        1,
        "Read by programs; r and c count rows and columns of a rectangle from 0. "
        "Every formula cell of this workbook is claimed once.",
        "subtitle",
    )
    row = 4
    for name, value in facts(case, structure).items():
        canvas.text(row, 1, name, "block")
        canvas.text(row, 2, value)
        row += 1
    row += 1
    for column, name in enumerate(COLUMNS, start=1):
        canvas.text(row, column, name, "head")
    canvas.sheet.freeze_panes = f"A{row + 1}"
    for claim in claims:
        row += 1
        values = (
            claim.kind,
            claim.quantity,
            "" if claim.layer is None else str(claim.layer),
            claim.label,
            claim.cells.sheet,
            claim.cells.address,
            claim.rule.text,
            claim.equation,
            claim.defined_name,
        )
        for column, value in enumerate(values, start=1):
            if value:
                canvas.text(row, column, value)
    canvas.widths(dict(zip(range(1, 10), (15, 26, 7, 24, 13, 14, 9, 9, 24), strict=True)))
    # an empty cell as print area: the Map is never printed
    canvas.print_on("portrait", area=f"K{row + 2}")
