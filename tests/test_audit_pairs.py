"""Two mistakes at once are both named, wherever the numbers can tell.

Pairs are drawn at random and made by the plain program (mistaken/). Whether a pair can be
identified is judged by that program's numbers alone: a pair that ends in the same numbers as no
mistake, as one, or as another pair cannot.
"""

from __future__ import annotations

import json
import random
from concurrent.futures import ProcessPoolExecutor

import pytest

from cellgrad.audit.answer import Answer
from cellgrad.audit.probes import probes
from cellgrad.audit.reading import read_answer
from cellgrad.audit.run import audit
from cellgrad.bugs.catalogue import by_id
from cellgrad.bugs.entry import CONVENTION, MISTAKE
from cellgrad.case.write import case_document
from cellgrad.errors import InputError
from mistaken.confusion import audited, entry_of, every_name
from mistaken.mistakes import MISTAKES, Wrong
from mistaken.readings import OPEN, UNSEEN
from mistaken.training import answered

PAIRS, SEED = 120, 5
LEAST = 0.95

UNIDENTIFIABLE = {}
"""Drawn pairs that cannot be identified, and why: by the program's own numbers."""


class Imagined:
    """A target that makes mistakes without a process."""

    declared = ()

    def __init__(self, names):
        self.name, self.wrong = " & ".join(names), Wrong(names)

    def answer(self, case):
        told = json.dumps(answered(case_document(case), self.wrong), allow_nan=False)
        try:
            return read_answer(case, told.encode(), whole=True)
        except InputError as error:
            return Answer(case, failure=error.line())

    def close(self):
        """Nothing is left behind."""


def drawn(count, seed):
    """Return so many pairs of mistakes of two entries, each in one of its ways."""
    generator = random.Random(seed)
    ways = {}
    for name in every_name():
        entry = entry_of(name)
        if name not in OPEN and entry not in UNSEEN and by_id()[entry].kind in (MISTAKE, CONVENTION):
            ways.setdefault(entry, []).append(name)
    pairs = []
    while len(pairs) < count:
        pair = tuple(generator.choice(ways[e]) for e in generator.sample(list(ways), 2))
        if pair not in pairs:
            pairs.append(pair)
    return pairs


def flat(value):
    """Return all numbers of a nested list."""
    if isinstance(value, list):
        return [x for part in value for x in flat(part)]
    return [value]


def ends(names):
    """Return the final parameters on every probe, by the program's own numbers."""
    wrong = Wrong(names)
    told = [answered(case_document(case), wrong) for case in probes()]
    return [flat([answer["weights"], answer["biases"]]) for answer in told]


def same(a, b):
    """Whether two runs end in the same numbers, but for roundings."""
    return all(
        len(x) == len(y)
        and all(
            v == w or (None not in (v, w) and abs(v - w) <= 1e-10 * (1 + abs(w)))
            for v, w in zip(x, y, strict=True)
        )
        for x, y in zip(a, b, strict=True)
    )


def outcome(pair):
    """Return what a pair ends in, and the pairs and mistakes that the audit names, best first."""
    result = audit(Imagined(pair), probes())
    named = [
        tuple(f"{v.entry}/{v.name}" if v.name else v.entry for v in diagnosis.variants)
        for diagnosis in result.diagnoses
    ]
    return ends(pair), named


def single(name):
    """Return the final parameters with one mistake."""
    return ends([name])


def both(pair, named):
    """Whether a diagnosis names the entries of a pair, and no other."""
    return sorted(map(entry_of, named)) == sorted(map(entry_of, pair))


def why_not(pair, numbers, named, right, singles):
    """Return why a pair cannot be identified; nothing where it can."""
    lost = [x for part, start in zip(numbers, right, strict=True) for x in zip(part, start)]
    if any(x is None and y is not None for x, y in lost):
        return "leaves the range of double precision"
    if same(numbers, right):
        return "as no mistake"
    for name, other in singles.items():
        if same(numbers, other):
            return f"as {name}"
    for other in named:
        if not both(pair, other) and known(other) and same(numbers, ends(other)):
            return f"as {' & '.join(other)}"
    return ""


def known(names):
    """Whether the program makes these mistakes in these ways."""
    return all(name in MISTAKES or name in set(every_name()) for name in names)


def judged(pairs):
    """Return each pair with whether both are named, and why it cannot be identified."""
    with ProcessPoolExecutor() as pool:
        outcomes = list(pool.map(outcome, pairs, chunksize=4))
        singles = dict(zip(every_name(), pool.map(single, every_name(), chunksize=8), strict=True))
    right = ends([])
    return [
        (
            pair,
            bool(named) and both(pair, named[0]),
            why_not(pair, numbers, named, right, singles),
            named,
        )
        for pair, (numbers, named) in zip(pairs, outcomes, strict=True)
    ]
