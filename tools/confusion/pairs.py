"""Two mistakes at once: drawn at random, made by the program, and put to the audit.

Whether a pair can be identified is judged by the program's own numbers: a pair that ends in the
same numbers as no mistake, as one, or as another pair cannot.
"""

import json
import random
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import NamedTuple

from confusion.matrix import entry_of, every_name
from mistaken.mistakes import Wrong
from mistaken.readings import OPEN, UNSEEN
from mistaken.training import answered

COUNT, SEED = 150, 5

ALONE = (
    "low-precision",
    "logistic-through-tanh",
    "logistic-complement",
    "tanh-through-exp",
    *UNSEEN,
)
"""Entries that are no mistakes, or round on the way: no pairs are made with them."""

_SECTION = """
## Two mistakes at once

{count} pairs drawn at random (with the seed {seed}), both mistakes made in one run. {told}
of the {possible} pairs that the numbers can tell from everything else are named, both mistakes,
first. By the program's own numbers the others cannot be told:

| one mistake | the other | ends in the same numbers |
|---|---|---|
"""

_MISSED = """
Not named, though they could be:

| one mistake | the other | named instead |
|---|---|---|
"""


class Judged(NamedTuple):
    """What came of a pair.

    Attributes:
        pair: the two mistakes.
        told: whether both are named first.
        same: what it cannot be told from; empty where it can be identified.
        named: what is named first, one mistake or two; empty for nothing.
        verdict: the audit's.
    """

    pair: tuple[str, str]
    told: bool
    same: str
    named: tuple[str, ...]
    verdict: str


class Imagined:
    """A target that makes mistakes without a process of its own."""

    declared, single_precision = (), True

    def __init__(self, names):
        self.name, self.wrong = " & ".join(names), Wrong(names)

    def answer(self, case):
        """Run a case."""
        from cellgrad.case.model import case_document  # noqa: PLC0415
        from cellgrad.errors import InputError  # noqa: PLC0415
        from cellgrad_audit.answer import Answer  # noqa: PLC0415 - the program needs none of it
        from cellgrad_audit.reading import read_answer  # noqa: PLC0415

        told = json.dumps(answered(case_document(case), self.wrong), allow_nan=False)
        try:
            return read_answer(case, told.encode(), whole=True)
        except InputError as error:
            return Answer(case, failure=error.line())

    def close(self):
        """Nothing is left behind."""


def drawn(count=COUNT, seed=SEED):
    """Return so many pairs of mistakes of two entries, each in one of its ways."""
    generator = random.Random(seed)
    ways = {}
    for name in every_name():
        if name not in OPEN and entry_of(name) not in ALONE:
            ways.setdefault(entry_of(name), []).append(name)
    pairs = []
    while len(pairs) < count:
        pair = tuple(generator.choice(ways[e]) for e in generator.sample(list(ways), 2))
        if pair not in pairs:
            pairs.append(pair)
    return pairs


@cache
def documents():
    """Return the probes as documents."""
    from cellgrad.case.model import case_document  # noqa: PLC0415
    from cellgrad_audit.probes import probes  # noqa: PLC0415 - the program needs none of it

    return [case_document(case) for case in probes()]


def flat(value):
    """Return all numbers of a nested list; None for one that is no number any more."""
    if isinstance(value, list):
        return [x for part in value for x in flat(part)]
    return [value]


def ends(names):
    """Return the final parameters on every probe, by the program's own numbers."""
    wrong = Wrong(names)
    told = [answered(document, wrong) for document in documents()]
    return [flat([answer["weights"], answer["biases"]]) for answer in told]


def single(name):
    """Return the final parameters with one mistake."""
    return ends([name])


def same(a, b):
    """Whether two runs end in the same numbers, but for roundings."""
    return all(
        v == w or (None not in (v, w) and abs(v - w) <= 1e-10 * (1 + abs(w)))
        for x, y in zip(a, b, strict=True)
        for v, w in zip(x, y, strict=True)
    )


def outcome(pair):
    """Return what a pair ends in, and what the audit names, best first, and its verdict."""
    from cellgrad_audit.probes import probes  # noqa: PLC0415 - the program needs none of it
    from cellgrad_audit.run import audit  # noqa: PLC0415

    result = audit(Imagined(pair), probes())
    named = [
        tuple(f"{v.entry}/{v.name}" if v.name else v.entry for v in diagnosis.variants)
        for diagnosis in result.diagnoses
    ]
    return ends(pair), named, result.verdict


def both(pair, named):
    """Whether a diagnosis names the entries of a pair, and no other."""
    return sorted(map(entry_of, named)) == sorted(map(entry_of, pair))


def judged(pairs):
    """Return what came of each pair."""
    with ProcessPoolExecutor() as pool:
        outcomes = list(pool.map(outcome, pairs, chunksize=4))
        names = every_name()
        singles = dict(zip(names, pool.map(single, names, chunksize=8), strict=True))
    right = ends([])
    return [
        Judged(
            pair,
            bool(named) and both(pair, named[0]),
            _same_as(pair, numbers, named, right, singles),
            named[0] if named else (),
            verdict,
        )
        for pair, (numbers, named, verdict) in zip(pairs, outcomes, strict=True)
    ]


def _same_as(pair, numbers, named, right, singles):
    """Return what else ends in these numbers; empty for nothing that is known."""
    if _lost(numbers) > _lost(right):
        return "none: it leaves the range of double precision"
    if same(numbers, right):
        return "as without a mistake"
    for name, other in singles.items():
        if same(numbers, other):
            return f"as {shown(name)} alone"
    for other in named:
        # what the audit holds for possible is believed only if the program's numbers say so
        if not both(pair, other) and set(other) <= set(singles) and same(numbers, ends(other)):
            return f"as {' with '.join(map(shown, other))}"
    return ""


def _lost(numbers):
    """Return how many numbers are no numbers any more (or were never asked for)."""
    return sum(part.count(None) for part in numbers)


def shown(name):
    """Return a mistake's name for the page."""
    entry, _, way = name.partition("/")
    return f"`{entry}` ({way})" if way else f"`{entry}`"


def section(found):
    """Return the page's section on pairs."""
    possible = [one for one in found if not one.same]
    missed = [one for one in possible if not one.told]
    text = _SECTION.format(
        count=len(found),
        seed=SEED,
        told=len(possible) - len(missed),
        possible=len(possible),
    )
    text += "".join(
        f"| {shown(one.pair[0])} | {shown(one.pair[1])} | {one.same} |\n"
        for one in found
        if one.same
    )
    if missed:
        text += _MISSED + "".join(
            f"| {shown(one.pair[0])} | {shown(one.pair[1])} "
            f"| {' with '.join(map(shown, one.named)) or 'nothing'} |\n"
            for one in missed
        )
    return text
