"""From a student's id to their numbers, in whole numbers that every program has exactly.

The one-file handout does the same in visible formulas (``setting.numbers_sheet``). No product here
reaches 10^13: beyond about 10^14 programs round the remainder of a division. Nothing here is a
secret to whoever holds the file; only which constants were taken was drawn from one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MODULUS = 9_999_047
"""A prime p below 10^7 for which (p − 1) / 2 is prime too: no chain of states is a short circle."""

SMALLEST_FACTOR, LARGEST_FACTOR = 100_000, 999_999
"""Multipliers lie between these."""

SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.@+/"
"""What an id may be made of; a sign's value is its place. Small letters count as capitals."""

SIGN_AT, SIGN_OF = 1_000, 4
"""A number is negative by the digits of its state above the last three, its size by all."""

SIGNED, REST, ONE_OF = "signed", "rest", "one of"
"""Kinds of rules: ± (low + remainder) / base; what is left of 1; 1 for one of several, else 0."""

_UPPER = dict(zip(SIGNS.lower(), SIGNS, strict=True))


@dataclass(frozen=True, slots=True)
class Rule:
    """How a state becomes a number.

    Attributes:
        kind: ``signed``, ``rest`` or ``one of``.
        low: the least size.
        span: how many sizes there are.
        base: what the whole number is divided by.
        negative: in how many of four it is negative.
        back: of ``rest``, how many numbers before it belong to the sum; of ``one of``, how
            many rows before it the first of them stands.
    """

    kind: str
    low: int
    span: int
    base: int
    negative: int = 0
    back: int = 0


@dataclass(frozen=True, slots=True)
class Constants:
    """What makes numbers of an id.

    Attributes:
        id_multiplier: h ← (h · id_multiplier + value of the sign) mod MODULUS, sign by sign.
        multiplier: state ← (state · multiplier + increment) mod MODULUS, number by number.
        increment: see there.
        rows: the most signs that an id may have.
        shifts: the chain begins with (h + the shift of h's bucket) mod MODULUS; the bucket is
            h mod the number of shifts.
    """

    id_multiplier: int
    multiplier: int
    increment: int
    rows: int
    shifts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a one-file handout derives the givens, and where; a part of the manifest.

    Attributes:
        sheet: where the id is typed.
        address: the cell.
        name: its defined name.
        numbers: the sheet that derives the numbers.
        anchor: the defined name of the cell there with the id; by it a renamed sheet is found.
        constants: what makes numbers of an id.
        rules: one a derived given, in the order of the chain.
        derived: which of the manifest's givens these are.
        givens: the formulas in those givens' cells, without ``=``.
        cells: address and content of every cell of ``numbers`` that takes part: a formula with
            its equals sign, a number, or a text behind an apostrophe.
    """

    sheet: str
    address: str
    name: str
    numbers: str
    anchor: str
    constants: Constants
    rules: tuple[Rule, ...]
    derived: tuple[int, ...]
    givens: tuple[str, ...]
    cells: tuple[tuple[str, str], ...]


def canonical(text: str) -> str:
    """Return an id as it counts: without blanks and leading zeros, in capitals.

    Raises:
        ValueError: it is empty, or holds a sign that ids cannot have; the message names it.
    """
    plain = "".join(text.split())
    if not plain:
        raise ValueError("nothing")
    for sign in plain:
        if sign not in SIGNS and sign not in _UPPER:
            raise ValueError(sign)
    return "".join(_UPPER.get(sign, sign) for sign in plain).lstrip("0") or "0"


def hashed(constants: Constants, student_id: str) -> int:
    """Return h of a canonical id."""
    h = 0
    for sign in student_id:
        h = (h * constants.id_multiplier + SIGNS.index(sign)) % MODULUS
    return h


def start_of(constants: Constants, h: int) -> int:
    """Return where the chain of states begins."""
    return (h + constants.shifts[h % len(constants.shifts)]) % MODULUS


def states(constants: Constants, start: int) -> Iterator[int]:
    """Yield the states after a start, without end."""
    state = start
    while True:
        state = (state * constants.multiplier + constants.increment) % MODULUS
        yield state


def numbers(constants: Constants, rules: Sequence[Rule], start: int) -> list[int]:
    """Return the whole numbers of a chain; each divided by its rule's base is a given."""
    chain = [state for state, _ in zip(states(constants, start), rules, strict=False)]
    whole: list[int] = []
    for row, (rule, state) in enumerate(zip(rules, chain, strict=True)):
        if rule.kind == REST:
            whole.append(rule.base - sum(whole[row - rule.back : row]))
        elif rule.kind == ONE_OF:
            whole.append(int(chain[row - rule.back] % rule.span == rule.back))
        else:
            negative = state // SIGN_AT % SIGN_OF < rule.negative
            size = rule.low + state % rule.span
            whole.append(-size if negative else size)
    return whole


def givens_of(constants: Constants, rules: Sequence[Rule], student_id: str) -> list[float]:
    """Return the givens of a canonical id."""
    start = start_of(constants, hashed(constants, student_id))
    whole = numbers(constants, rules, start)
    return [number / rule.base for number, rule in zip(whole, rules, strict=True)]
