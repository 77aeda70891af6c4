"""The constants and shifts of a one-file handout, chosen so that everybody's numbers are good.

Constants come from the secret. A student's chain begins at a number that their id makes; ids
share buckets, and each bucket is shifted until the numbers of all its students are fit, tell
every mistake apart and are nobody else's. Which ids were looked at cannot be read off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from cellgrad.case.model import Case
from cellgrad.errors import InputError
from cellgrad_coursework.derivation import (
    LARGEST_FACTOR,
    MODULUS,
    SIGNS,
    SMALLEST_FACTOR,
    Constants,
    canonical,
    hashed,
    start_of,
)
from cellgrad_coursework.model import Student
from cellgrad_coursework.secret import Stream, derived
from cellgrad_coursework.setting.assignment import Assignment
from cellgrad_coursework.setting.discriminate import judge_of
from cellgrad_coursework.setting.givens import unfit
from cellgrad_coursework.setting.plan import Plan, plan_of

MOST_STUDENTS = 2_000
MOST_SIGNS = 60
"""So long an id may be: a row a sign."""

LEAST_BUCKETS, MOST_BUCKETS = 100, 6_400
_LEAST_ROWS, _SPARE_ROWS = 16, 4
_SAMPLE = 48
_CANDIDATES = 24
_WORTH = 2.0
"""Constants are taken whose buckets need at most so many times the draws of students alone."""

_PATIENCE = 30
_MOST_TRIES = 60_000
_ALONE = 2_000
_BEYOND = 100_000
"""Shifts are smaller than this."""

Groups = dict[int, list[int]]
"""The hashes of ids, by bucket."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a one-file handout is made with.

    Attributes:
        plan: which numbers are derived.
        constants: what makes them of an id.
    """

    plan: Plan
    constants: Constants

    def case(self, student_id: str) -> Case:
        """Return a student's case."""
        h = hashed(self.constants, canonical(student_id))
        return self.plan.case(self.constants, start_of(self.constants, h))


def check_ids(students: Sequence[Student]) -> dict[str, str]:
    """Return the canonical ids of a roster, by id.

    Raises:
        InputError: an id cannot be typed, or two would be taken for one.
    """
    found: dict[str, str] = {}
    seen: dict[str, str] = {}
    if len(students) > MOST_STUDENTS:
        raise _refused(
            f"one file serves at most {MOST_STUDENTS:,} students, the roster has {len(students):,}",
            "split the roster and give each part an assignment with an id of its own",
        )
    for student in students:
        try:
            plain = canonical(student.id)
        except ValueError as error:
            raise _refused(
                f"the id {student.id!r} holds {str(error)!r}, which one file for all cannot read",
                f"take ids of the letters A to Z, digits and {SIGNS[36:]} alone",
            ) from error
        if len("".join(student.id.split())) > MOST_SIGNS:
            raise _refused(
                f"the id {student.id!r} has more than {MOST_SIGNS} signs", "take shorter ids"
            )
        if plain in seen:
            raise _refused(
                f"the ids {seen[plain]!r} and {student.id!r} differ only in capitals, blanks or "
                "leading zeros",
                "change one of them",
            )
        seen[plain] = found[student.id] = plain
        seen[plain] = student.id
    return found


def _refused(problem: str, remedy: str) -> InputError:
    return InputError(problem, file="the roster", remedy=remedy)


def chosen(assignment: Assignment, secret: bytes, students: Sequence[Student]) -> Chosen | None:
    """Return what serves a roster; None where no numbers were found that do.

    Args:
        assignment: what is handed out.
        secret: what constants are drawn from.
        students: the roster.

    Raises:
        InputError: an id cannot be used, or there is too much to derive.
    """
    ids = list(check_ids(students).values())
    longest = max(len("".join(student.id.split())) for student in students)
    rows = max(_LEAST_ROWS, min(longest + _SPARE_ROWS, MOST_SIGNS))
    search = _Search(assignment, secret, ids, rows)
    share = search.share()
    found = search.constants(share) if share else None
    shifts = search.shifts(*found, share) if found else None
    if found is None or shifts is None:
        return None
    return Chosen(search.plan, replace(found[0], shifts=shifts))


class _Search:
    """Looks for constants and shifts.

    Args:
        assignment: what is handed out.
        secret: what constants are drawn from.
        ids: the canonical ids.
        rows: the most signs of an id.
    """

    def __init__(self, assignment: Assignment, secret: bytes, ids: list[str], rows: int) -> None:
        self.plan, self._judge = plan_of(assignment), judge_of(assignment)
        self._assignment, self._secret, self._ids, self._rows = assignment, secret, ids, rows

    def _drawn(self, number: int, buckets: int) -> Constants:
        """Return the constants of an attempt, without shifts."""
        key = derived(self._secret, "one file", self._assignment.id, number)
        stream = Stream(key)
        factors = LARGEST_FACTOR - SMALLEST_FACTOR + 1
        return Constants(
            SMALLEST_FACTOR + stream.below(factors),
            SMALLEST_FACTOR + stream.below(factors),
            1 + stream.below(MODULUS - 1),
            self._rows,
            (0,) * buckets,
        )

    def _good(self, constants: Constants, start: int) -> bool:
        case = self.plan.case(constants, start)
        return not unfit(case) and self._judge.unseen(case) is None

    def share(self) -> float:
        """Return how many of the starts give good numbers, roughly; 0 for next to none."""
        constants = self._drawn(0, 1)
        stream = Stream(derived(self._secret, "one file", self._assignment.id, "share"))
        good = 0
        for tried in range(1, _ALONE + 1):
            good += self._good(constants, stream.below(MODULUS))
            if tried >= _SAMPLE and good:
                return good / tried
        return 0.0

    def constants(self, share: float) -> tuple[Constants, Groups] | None:
        """Return constants that spread the ids well, and the h of the ids by bucket."""
        buckets, number = LEAST_BUCKETS, 0
        while buckets < 2 * len(self._ids):
            buckets *= 2
        best: tuple[float, Constants, Groups] | None = None
        while buckets <= MOST_BUCKETS:
            for _ in range(_CANDIDATES):
                constants, number = self._drawn(number, buckets), number + 1
                groups = self._groups(constants)
                if groups is None:
                    continue
                draws = sum(share ** -len(group) for group in groups.values())
                if best is None or draws < best[0]:
                    best = draws, constants, groups
                if draws <= _WORTH * len(self._ids) / share:
                    return constants, groups
            buckets *= 2
        return None if best is None else best[1:]

    def _groups(self, constants: Constants) -> Groups | None:
        """Return the h of the ids by bucket; None where two ids have the same."""
        found: dict[int, list[int]] = defaultdict(list)
        buckets = len(constants.shifts)
        for h in sorted({hashed(constants, one) for one in self._ids}):
            found[h % buckets].append(h)
        return dict(found) if sum(map(len, found.values())) == len(self._ids) else None

    def shifts(self, constants: Constants, groups: Groups, share: float) -> tuple[int, ...] | None:
        """Return the shift of every bucket; None where one cannot be helped."""
        shifts, taken = list(constants.shifts), set[Case]()
        for bucket in sorted(groups, key=lambda one: (-len(groups[one]), one)):
            tries = max(_ALONE, int(_PATIENCE * share ** -len(groups[bucket])))
            for shift in islice(self._candidates(bucket), min(tries, _MOST_TRIES)):
                cases = self._cases(constants, groups[bucket], shift, taken)
                if cases is not None:
                    shifts[bucket] = shift
                    taken |= cases
                    break
            else:
                return None
        return tuple(shifts)

    def _candidates(self, bucket: int) -> Iterator[int]:
        """Yield shifts to try, in no order: the numbers of starts side by side are alike."""
        yield 0
        stream = Stream(derived(self._secret, "shifts", self._assignment.id, bucket))
        while True:
            yield stream.below(_BEYOND)

    def _cases(
        self, constants: Constants, group: list[int], shift: int, taken: set[Case]
    ) -> set[Case] | None:
        """Return the cases of a bucket's students; None where one of them will not do."""
        found: set[Case] = set()
        for h in group:
            start = (h + shift) % MODULUS
            case = self.plan.case(constants, start)
            if case in taken or case in found or not self._good(constants, start):
                return None
            found.add(case)
        return found
