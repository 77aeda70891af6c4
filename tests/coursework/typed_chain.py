"""What a student types who works a step out on a calculator: number by number, rounded."""

import re

from cellgrad.xlsx.addresses import a1, parse_a1
from cellgrad_coursework.grading.key import given_number
from grading_oracle import computed
from plain_submission import REFERENCE, TOKEN


def typed_chain(manifest, decimals, *, at_each_step=True, wrong=None, forms=None):
    """Return the numbers of a student's graded cells, by address, by Python's own arithmetic.

    Args:
        manifest: the assignment.
        decimals: to so many the numbers are rounded.
        at_each_step: whether the student goes on from the rounded numbers, or rounds only what
            is written down.
        wrong: by address, what becomes of a number by a mistake.
        forms: formulas that differ from the key's, by address.
    """
    case = manifest.handouts[TOKEN].case
    known = {given.address: given_number(case, given) for given in manifest.givens}
    cells = (*manifest.cells, *manifest.fixed)
    formulas = {cell.address: _written_out(cell.formula) for cell in cells}
    graded = {cell.address for cell in manifest.cells}
    formulas |= forms or {}
    typed, waiting = {}, list(formulas)
    while waiting:
        address = next(a for a in waiting if _reads(formulas[a]) <= known.keys())
        waiting.remove(address)
        number = computed(formulas[address], known)
        number = (wrong or {}).get(address, lambda x: x)(number)
        if address in graded:
            typed[address] = round(number, decimals)
            number = typed[address] if at_each_step else number
        known[address] = number
    return typed


_SQUARES = re.compile(r"SUMPRODUCT\((\w+):(\w+),\1:\2\)")


def _written_out(formula):
    """Return a formula with its sums of squares over ranges written out."""

    def squares(match):
        (top, left), (bottom, right) = parse_a1(match[1]), parse_a1(match[2])
        rows, columns = range(top, bottom + 1), range(left, right + 1)
        return "(" + "+".join(f"{a1(r, c)}*{a1(r, c)}" for r in rows for c in columns) + ")"

    return _SQUARES.sub(squares, formula)


def _reads(formula):
    return {f"{match[1]}{match[2]}" for match in REFERENCE.finditer(formula)}


def another(number):
    """Return a number that nobody would take for the right one, of the same sign."""
    return 0.7 * number if abs(number) > 0.05 else number + 0.1


def unclear(manifest, typed, decimals, *, zeros):
    """Return the cells of which nobody can tell whether they follow.

    Updates that hardly move the weight never do; nor does, after a mistake, what is as good as
    0, or starts from what is.
    """
    unit = 10.0**-decimals
    case = manifest.handouts[TOKEN].case
    known = {given.address: given_number(case, given) for given in manifest.givens} | typed
    old = {(f"new_{g.quantity}", g.layer, g.index): known[g.address] for g in manifest.givens}
    copies = {cell.address: _reads(cell.formula) for cell in manifest.fixed}
    found = set()
    for cell in manifest.cells:
        before = old.get((cell.quantity, cell.layer, cell.index))
        if before is not None and abs(typed[cell.address] - before) <= 10 * unit:
            found.add(cell.address)
        reads, more = _reads(cell.formula), {cell.address}
        while reads:
            more |= reads
            reads = {a for r in reads for a in copies.get(r, ())}
        if zeros and any(abs(typed.get(address, 1.0)) <= 3 * unit for address in more):
            found.add(cell.address)
    return found
