"""Printed numbers may mix explanations: each is explained by itself, then they are grouped.

A long run is looked at in two parts. Numbers of its first updates are held against every
entry; those of later ones first against what explained an early one, then against all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cellgrad_audit.answer import EARLY, Answer, Slot
from cellgrad_audit.bugs.catalogue import ALTERNATIVE, PRECISION, Variant, by_id, variants
from cellgrad_audit.diagnose import Progress, diagnosis_of, quietly
from cellgrad_audit.hypothesis import Hypothesis, Mask
from cellgrad_audit.result import Cell, Group, cells_of

LEAST_DIGITS = 5.0
"""Digits that the numbers of a group must show together: fewer could agree by chance."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A variant, and the numbers that follow from it and not from the right program."""

    variant: Variant
    hypothesis: Hypothesis
    mask: Mask


def group_by_explanation(
    answer: Answer, reference: Hypothesis, precision: str, progress: Progress = quietly
) -> list[Group]:
    """Return the numbers of one answer, grouped by what they follow from.

    Args:
        answer: printed numbers of one case.
        reference: the right program, held against this answer alone.
        precision: that the numbers were computed in.
        progress: told how many of how many entries were tried.
    """
    cells = cells_of(answer, reference, 0, precision)
    open_cells = {(cell.slot, cell.index): cell for cell in cells if not cell.agrees}
    groups = [Group(None, right=True, cells=tuple(c for c in cells if c.agrees))]
    chosen: list[Variant] = []
    for part in answer.parts():
        for explanation in _explanations(part, reference, precision, chosen, open_cells, progress):
            taken = tuple(
                cell for place, cell in open_cells.items() if _holds(explanation.mask, place)
            )
            for cell in taken:
                del open_cells[cell.slot, cell.index]
            if explanation.variant not in chosen:
                chosen.append(explanation.variant)
            diagnosis = diagnosis_of(
                (explanation.variant,),
                explanation.hypothesis,
                reference,
                [answer],
                len(taken),
                len(cells),
            )
            groups.append(Group(diagnosis, right=False, cells=taken))
    if open_cells:
        groups.append(Group(None, right=False, cells=tuple(open_cells.values())))
    return _merged([group for group in groups if group.cells])


def _explanations(
    part: Answer,
    reference: Hypothesis,
    precision: str,
    chosen: Sequence[Variant],
    open_cells: dict[tuple[Slot, tuple[int, ...]], Cell],
    progress: Progress,
) -> Iterator[Explanation]:
    """Yield variants that explain numbers still open, the one that explains most first."""
    places = [place for place in open_cells if place[0] in part.numbers]
    if not places:
        return
    asked = _only(part, {slot for slot, _ in places})
    late = any(slot.step == 0 or slot.step > EARLY for slot in asked.numbers) and (
        asked.case.updates() > EARLY
    )
    order = _likely_first(chosen) if late else list(_candidates())
    kept: list[Explanation] = []
    for count, variant in enumerate(order):
        progress("explaining each number", count, len(order))
        hypothesis = Hypothesis(variant.program, [asked], reference.tolerance)
        explanation = Explanation(variant, hypothesis, hypothesis.matches(0, precision))
        hits = [p for p in places if p in open_cells and _holds(explanation.mask, p)]
        if _digits(hits, open_cells, asked) < LEAST_DIGITS:
            continue
        if late:  # a run of thousands of updates for each: what explains some is taken at once
            yield explanation
            if not any(p in open_cells for p in places):
                return
        else:
            kept.append(explanation)
    yield from _greedy(kept, places, open_cells, asked, part, precision)


def _greedy(
    explanations: list[Explanation],
    places: list[tuple[Slot, tuple[int, ...]]],
    open_cells: dict[tuple[Slot, tuple[int, ...]], Cell],
    asked: Answer,
    part: Answer,
    precision: str,
) -> Iterator[Explanation]:
    """Yield the explanation of most numbers, then that of most of the rest, and so on."""
    others: dict[Variant, int] = {}

    def agreeing(explanation: Explanation) -> int:
        """Return how many numbers of the part follow, those of the right program included."""
        if explanation.variant not in others:
            whole = Hypothesis(
                explanation.variant.program, [part], explanation.hypothesis.tolerance
            )
            others[explanation.variant] = sum(
                int(mask.sum()) for mask in whole.matches(0, precision).values()
            )
        return others[explanation.variant]

    def preferred(explanation: Explanation) -> tuple[bool, int]:
        """Return what comes first among equals: mistakes before roundings, then who agrees more."""
        rounding = by_id()[explanation.variant.entry].kind == PRECISION
        return (not rounding, agreeing(explanation))

    while explanations:
        still = [p for p in places if p in open_cells]
        scored = [(sum(_holds(e.mask, p) for p in still), n) for n, e in enumerate(explanations)]
        most = max(count for count, _ in scored)
        if not most:
            return
        best = max((explanations[n] for count, n in scored if count == most), key=preferred)
        hits = [p for p in still if _holds(best.mask, p)]
        explanations.remove(best)
        if _digits(hits, open_cells, asked) >= LEAST_DIGITS:
            yield best


def _candidates() -> Iterator[Variant]:
    return (v for v in variants() if by_id()[v.entry].kind != ALTERNATIVE)


def _likely_first(chosen: Sequence[Variant]) -> list[Variant]:
    """Return every candidate, those that explained an early number first, then other counts."""
    counted = [v for v in _candidates() if v.entry == "step-count-off-by-one"]
    first = [*chosen, *(v for v in counted if v not in chosen)]
    return [*first, *(v for v in _candidates() if v not in first)]


def _only(answer: Answer, slots: set[Slot]) -> Answer:
    return Answer(answer.case, {s: x for s, x in answer.numbers.items() if s in slots})


def _holds(mask: Mask, place: tuple[Slot, tuple[int, ...]]) -> bool:
    slot, index = place
    return slot in mask and bool(mask[slot][index])


def _digits(
    places: Sequence[tuple[Slot, tuple[int, ...]]],
    cells: dict[tuple[Slot, tuple[int, ...]], Cell],
    answer: Answer,
) -> float:
    """Return how many digits these numbers show together, as far as they differ from the right."""
    shown = 0.0
    for slot, index in places:
        cell = cells[slot, index]
        half = float(answer.numbers[slot].half_units[index])
        size = max(abs(cell.found), abs(cell.right))
        shown += 15.0 if not half else max(math.log10(max(size / (2 * half), 1.0)), 0.3)
    return shown


def _merged(groups: list[Group]) -> list[Group]:
    """Return one group for each entry, whatever part its numbers come from."""
    merged: dict[tuple[bool, str], Group] = {}
    for group in groups:
        before = merged.setdefault((group.right, _entry(group)), group)
        if before is not group:
            cells = (*before.cells, *group.cells)
            diagnosis = before.diagnosis and replace(before.diagnosis, explained=len(cells))
            merged[group.right, _entry(group)] = Group(diagnosis, group.right, cells)
    return list(merged.values())


def _entry(group: Group) -> str:
    return "" if group.diagnosis is None else group.diagnosis.entries[0].id
