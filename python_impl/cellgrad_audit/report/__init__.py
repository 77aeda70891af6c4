"""What every report of an audit says in the same words."""

from __future__ import annotations

import hashlib
import json
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from cellgrad.case.model import Case, case_document
from cellgrad.errors import printable
from cellgrad_audit.bugs.catalogue import Entry, Variant
from cellgrad_audit.probes import declare, folder, probes
from cellgrad_audit.result import (
    AGREES,
    ALTERNATIVE_FORMULA,
    BIT_IDENTICAL,
    CONVENTION,
    DIFFERS,
    FAILED,
    INCONCLUSIVE,
    KNOWN_BUG,
    UNSUPPORTED,
    WITHIN_BOUND,
    Audit,
    Cell,
    Diagnosis,
    Group,
    Probed,
)

_NAMES = ("Nesterov",)
_TINY, _HUGE = 1e-4, 1e9

PRECISION = {"float64": "double precision", "float32": "single precision"}

STATUS = {
    AGREES: "agrees",
    DIFFERS: "differs",
    UNSUPPORTED: "not supported",
    FAILED: "failed",
}


def verdict_sentence(audit: Audit) -> str:
    """Return the verdict in one plain sentence."""
    if audit.verdict == INCONCLUSIVE:
        return f"Inconclusive: {reason(audit)}"
    if audit.tolerance is not None and audit.verdict in (BIT_IDENTICAL, WITHIN_BOUND):
        return (
            f"Within your tolerance of {audit.tolerance:g}: every number that was compared lies "
            "so near the right one."
        )
    if audit.verdict == BIT_IDENTICAL:
        return "Right: every number is the reference's to the last bit."
    if audit.verdict == WITHIN_BOUND:
        return f"Right: every number lies within the rounding bounds of {precision(audit)}."
    if not audit.diagnoses:
        return "Wrong: no mistake of the catalogue, alone or with another, explains the numbers."
    what = what_it_is(audit.diagnoses[0])
    start = {
        ALTERNATIVE_FORMULA: "Right, by another formula for the same mathematics",
        CONVENTION: "Right only by another convention, which was not declared",
        KNOWN_BUG: "Wrong",
    }.get(audit.verdict, "Wrong, and not everything is explained")
    if len(audit.diagnoses[0].entries) > 1 and audit.verdict == KNOWN_BUG:
        start = "Wrong, by two mistakes at once"
    near = f" (within your tolerance of {audit.tolerance:g})" if audit.tolerance else ""
    return f"{start}: {what}{near}."


def reason(audit: Audit) -> str:
    """Return why nothing was concluded."""
    failed = [p for p in audit.probes if p.status == FAILED]
    refused = [p for p in audit.probes if p.status == UNSUPPORTED]
    if failed:
        return f"no case gave numbers to compare. {_of_case(failed[0])}"
    if refused:
        return f"the target supports none of the cases. {_of_case(refused[0])}"
    return "no case was asked."


def _of_case(probed: Probed) -> str:
    return f"{printable(probed.case.id)}: {why(probed)}"


def what_it_is(diagnosis: Diagnosis) -> str:
    """Return the mistake as half a sentence, with its id; two are joined."""
    return ", and ".join(f"{uncapitalised(e.title)} ({e.id})" for e in diagnosis.entries)


def uncapitalised(title: str) -> str:
    """Return a title as it stands within a sentence."""
    keeps = title[1:2].isupper() or not title[1:2].isalpha() or title.startswith(_NAMES)
    if title.startswith("A "):
        keeps = False
    return title if keeps else title[:1].lower() + title[1:]


def bug(diagnosis: Diagnosis) -> str:
    """Return the ids of a diagnosis as one name: ``a`` or ``a + b``."""
    return " + ".join(entry.id for entry in diagnosis.entries)


def mistakes(diagnosis: Diagnosis) -> list[tuple[Entry, Variant]]:
    """Return each mistake with the variant that was found."""
    return list(zip(diagnosis.entries, diagnosis.variants, strict=True))


def explains(diagnosis: Diagnosis) -> str:
    """Return how many numbers a diagnosis reproduces, in words."""
    if diagnosis.whole:
        return f"all {diagnosis.asked:,} numbers"
    return f"{diagnosis.explained:,} of {count_of(diagnosis.asked, 'number')}"


def group_words(group: Group) -> str:
    """Return what the numbers of a group follow from."""
    if group.right:
        return "right"
    return "not explained" if group.diagnosis is None else bug(group.diagnosis)


def precision(audit: Audit) -> str:
    """Return the precision in words."""
    return PRECISION.get(audit.precision, audit.precision)


def count_of(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 number``, ``2 numbers``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def one_line(text: str) -> str:
    """Return a text from elsewhere on one line, control characters made visible."""
    return printable(" ".join(text.split()))


def joined_words(words: Sequence[str]) -> str:
    """Return words with commas and an ``and``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def why(probed: Probed) -> str:
    """Return why a case gave no numbers; empty where it did."""
    text = one_line(probed.answer.failure or probed.answer.unsupported)
    return text.removeprefix(f"{printable(probed.case.id)}: ")


def repeat_command(audit: Audit) -> str:
    """Return the command line that repeats the audit."""
    if audit.command:
        return printable(audit.command)
    words = [printable(audit.target)]
    for name in audit.declared:
        words += ["--convention", name]
    if audit.tolerance is not None:
        words += ["--tolerance", f"{audit.tolerance:g}"]
    return " ".join(["cellgrad", "audit", words[0], *map(shlex.quote, words[1:])])


# numbers


def exact(value: float) -> str:
    """Return a number with every bit."""
    return _word_instead_of(value) or f"{value:.17g}"


def short(value: float, digits: int = 7) -> str:
    """Return a number with so many digits, for people."""
    named = _word_instead_of(value)
    if named:
        return named
    if value and not _TINY <= abs(value) < _HUGE:
        mantissa, _, power = f"{value:.{max(digits - 3, 2)}e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"
    text = f"{value:.{digits}g}"
    return "0" if text == "-0" else text


def _word_instead_of(value: float) -> str:
    if math.isnan(value):
        return "no number"
    if math.isinf(value):
        return "infinite" if value > 0 else "−infinite"
    return ""


def digits(cell: Cell) -> str:
    """Return how many digits of a number are correct."""
    return "all" if cell.found == cell.right else f"{cell.digits:.1f}"


def share(cell: Cell) -> float:
    """Return the gap as a share of the bound."""
    gap = abs(cell.found - cell.right)
    if not gap:
        return 0.0
    return gap / cell.bound if cell.bound and math.isfinite(gap) else math.inf


def share_in_words(worst: float | None) -> str:
    """Return a share of a bound, for people; empty for none."""
    if worst is None:
        return ""
    if worst > 1e6:
        return "> 10⁶"
    return f"{worst:.2f}" if worst < 100 else f"{worst:,.0f}"


def listed_cells(cells: list[Cell], most: int, most_wrong: int) -> list[Cell]:
    """Return the numbers that are listed of many: wrong ones come before others are left out."""
    if len(cells) <= most:
        return cells
    wrong = [cell for cell in cells if not cell.agrees][:most_wrong]
    right = [cell for cell in cells if cell.agrees][: most - len(wrong)]
    kept = {id(cell) for cell in (*wrong, *right)}
    return [cell for cell in cells if id(cell) in kept]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many numbers of a case agree.

    Attributes:
        cells: how many there are.
        agree: within their bounds.
        same: the reference's, to the last bit.
        worst: the largest gap as a share of its bound; None without numbers.
        where: which number that is.
    """

    cells: int
    agree: int
    same: int
    worst: float | None
    where: str


def counts(probed: Probed) -> Counts:
    """Return how many numbers of a case agree.

    Certified values are the nearest doubles to the exact ones: where the whole case is what
    the definition computes, every bit counts as the same.
    """
    cells = probed.cells
    worst = max(cells, key=share, default=None)
    return Counts(
        len(cells),
        sum(cell.agrees for cell in cells),
        len(cells) if probed.identical else sum(cell.found == cell.right for cell in cells),
        None if worst is None else share(worst),
        "" if worst is None else worst.label,
    )


# cases


def most_telling_case(audit: Audit) -> Probed | None:
    """Return the case that says most: the first that differs, else the first that agrees."""
    for status in (DIFFERS, AGREES):
        for probed in audit.probes:
            if probed.status == status and probed.cells:
                return probed
    return None


def first_divergence_of(audit: Audit) -> tuple[Probed, Cell] | None:
    """Return the first wrong number and its case."""
    for probed in audit.probes:
        for cell in probed.cells:
            if cell is audit.first_divergence:
                return probed, cell
    return None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a case comes from.

    Attributes:
        file: the name of the shipped file; empty for a case of the user's own.
        sha256: of the shipped file's bytes, else of the case as it was asked.
    """

    file: str
    sha256: str


def origin_of(case: Case, declared: Sequence[str]) -> Origin:
    """Return where a case comes from, with its checksum.

    A case of the user's own has no file here: the checksum is that of its JSON, keys sorted,
    without spaces, in UTF-8.
    """
    for shipped in probes():
        if shipped.id == case.id and declare(shipped, declared)[0] == case:
            path = folder() / f"{case.id}.json"
            return Origin(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    text = json.dumps(
        case_document(case), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return Origin("", hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())
