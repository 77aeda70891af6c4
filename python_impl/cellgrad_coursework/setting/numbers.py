"""Finds numbers for everybody: fit, nobody else's, and telling every mistake from what is right.

Where each student has a workbook, their numbers are drawn until they will do. In a one-file
handout constants come from the secret, and a student's chain begins at a number that their id
makes; ids share buckets, and each bucket is shifted until the numbers of all its students will
do. Which ids were looked at cannot be read off.
"""

from __future__ import annotations

from collections import Counter, defaultdict
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
from cellgrad_coursework.model import VALUE, Student
from cellgrad_coursework.secret import Stream, derived
from cellgrad_coursework.setting.assignment import Assignment
from cellgrad_coursework.setting.discriminate import Discrimination, judge_of
from cellgrad_coursework.setting.givens import Plan, draw_case, plan_of

ATTEMPTS = 2_000
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


class OwnNumbers:
    """Finds every student's own numbers, where each has a workbook.

    Args:
        assignment: what is handed out.
        secret: what they are made from.
    """

    def __init__(self, assignment: Assignment, secret: bytes) -> None:
        self.assignment, self.secret = assignment, secret
        self.judge = judge_of(assignment)

    def case(self, student_id: str, attempts: int = ATTEMPTS) -> Case:
        """Return a student's case: fit, and telling every mistake from what is right.

        Raises:
            InputError: there are no such numbers among so many draws.
        """
        reasons: Counter[str] = Counter()
        for attempt in range(attempts):
            case = self.draw(student_id, attempt)
            reason = self.judge.why_not(case)
            if not reason:
                return case
            reasons[reason] += 1
        (reason, _), *_ = reasons.most_common(1)
        raise InputError(
            f"no numbers were found that tell every mistake apart: mostly, {reason}",
            place=_blamed(self.assignment, reason),
            remedy=self._remedy(student_id),
        )

    def draw(self, student_id: str, attempt: int) -> Case:
        """Return a student's numbers at an attempt, fit or not."""
        key = derived(self.secret, "givens", self.assignment.id, student_id, attempt)
        return draw_case(self.assignment, Stream(key))

    def _remedy(self, student_id: str) -> str:
        """Return what would help: more decimals, if some number of them does."""
        for decimals in range(5, 13):
            blanks = tuple(
                replace(blank, decimals=max(decimals, blank.decimals))
                for blank in self.assignment.blanks
            )
            if blanks == self.assignment.blanks:
                continue
            judge = judge_of(replace(self.assignment, blanks=blanks))
            cases = (self.draw(student_id, attempt) for attempt in range(100))
            if not all(map(judge.why_not, cases)):
                return f"ask for {decimals} decimals, or for formulas"
        return "let samples be drawn, take a smaller network, or blank fewer quantities"


def _blamed(assignment: Assignment, reason: str) -> str:
    if "would pass" in reason and any(blank.takes == VALUE for blank in assignment.blanks):
        return "blanks.decimals"
    return "training.samples" if assignment.samples is not None else "network"


def without_a_trace(assignment: Assignment, judge: Discrimination) -> list[str]:
    """Return the mistakes that the assignment's own fixed numbers hide in every workbook."""
    open_one = replace(assignment, learning_rate=0.37, samples=None)
    return [name for name in judge_of(open_one).mistakes if name not in judge.mistakes]


# one file for all


@dataclass(frozen=True, slots=True)
class SharedNumbers:
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


def check_ids(students: Sequence[Student]) -> list[str]:
    """Return the ids of a roster as they count.

    Raises:
        InputError: an id cannot be typed, or two would be taken for one.
    """
    whose: dict[str, str] = {}
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
        if _signs(student) > MOST_SIGNS:
            raise _refused(
                f"the id {student.id!r} has more than {MOST_SIGNS} signs", "take shorter ids"
            )
        if plain in whose:
            raise _refused(
                f"the ids {whose[plain]!r} and {student.id!r} differ only in capitals, blanks or "
                "leading zeros",
                "change one of them",
            )
        whose[plain] = student.id
    return list(whose)


def _signs(student: Student) -> int:
    return len("".join(student.id.split()))


def _refused(problem: str, remedy: str) -> InputError:
    return InputError(problem, file="the roster", remedy=remedy)


def shared_numbers(
    assignment: Assignment, secret: bytes, students: Sequence[Student]
) -> SharedNumbers | None:
    """Return what serves a roster; None where no numbers were found that do.

    Args:
        assignment: what is handed out.
        secret: what constants are drawn from.
        students: the roster.

    Raises:
        InputError: an id cannot be used, or there is too much to derive.
    """
    ids = check_ids(students)
    rows = max(_LEAST_ROWS, min(max(map(_signs, students)) + _SPARE_ROWS, MOST_SIGNS))
    search = _Search(assignment, secret, ids, rows)
    share = search.share()
    spread = search.constants(share) if share else None
    shifts = search.shifts(*spread, share) if spread else None
    if spread is None or shifts is None:
        return None
    return SharedNumbers(search.plan, replace(spread[0], shifts=shifts))


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

    def share(self) -> float:
        """Return how many of the starts give good numbers, roughly; 0 for next to none."""
        constants = self._drawn(0, 1)
        stream = Stream(derived(self._secret, "one file", self._assignment.id, "share"))
        good = 0
        for tried in range(1, _ALONE + 1):
            good += not self._judge.why_not(self.plan.case(constants, stream.below(MODULUS)))
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
        hashes = sorted({hashed(constants, one) for one in self._ids})
        if len(hashes) < len(self._ids):
            return None
        groups: Groups = defaultdict(list)
        for h in hashes:
            groups[h % len(constants.shifts)].append(h)
        return dict(groups)

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
        cases: set[Case] = set()
        for h in group:
            case = self.plan.case(constants, (h + shift) % MODULUS)
            if case in taken or case in cases or self._judge.why_not(case):
                return None
            cases.add(case)
        return cases
