"""What the probes tell apart, as text: the generated part of ``reference/separation.md``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cellgrad_audit.bugs.apart import PRINTED, RIGHT, SAME, Apart, blocks_of_entries, classes, names
from cellgrad_audit.bugs.catalogue import by_id, entries, variants
from cellgrad_audit.bugs.entry import ALTERNATIVE, CONVENTION, MISTAKE, Entry

TWO = ("probe-online", "probe-batch")
"""The two probes that see the most."""

SUBSETS: dict[str, tuple[str, ...]] = {
    "`probe-online` and `probe-batch`": TWO,
    "one output without biases": ("probe-plain",),
    "one output, with or without biases": ("probe-plain", "probe-one-output"),
    "scikit-learn's regressor: identity outputs, batches": ("probe-identity",),
    "classifiers: softmax, binary cross-entropy": ("probe-softmax", "probe-binary"),
}
"""What implementations can typically run of the probes."""

_ALL, _SOME = "●", "◐"


def separation_text(apart: Apart) -> str:
    """Return numbers, tables and ties of a set of probes."""
    lines = [*_numbers(apart), "", *_shown(apart), "", *_unavoidable(apart)]
    for title, chosen in _present(apart).items():
        lines += ["", *_ties(apart, title, chosen)]
    return "\n".join(lines)


def _present(apart: Apart) -> dict[str, tuple[str, ...]]:
    return {title: chosen for title, chosen in SUBSETS.items() if set(chosen) <= set(apart.cases)}


def _numbers(apart: Apart) -> Iterator[str]:
    pairs = len(entries()) * (len(entries()) - 1) // 2
    yield "## In numbers"
    yield ""
    yield (
        f"{len(variants())} variants of {len(entries())} entries, so {pairs:,} pairs of entries. "
        "Closest: the smallest difference between two mistakes or conventions that can be told "
        "apart."
    )
    yield ""
    yield (
        "| probes | variants seen | entries seen | groups of like numbers | pairs apart | "
        "at three decimals | closest |"
    )
    yield "|---|---|---|---|---|---|---|"
    sets: dict[str, tuple[str, ...]] = {f"all {len(apart.cases)}": apart.cases}
    sets |= _present(apart) | {f"`{case}` alone": (case,) for case in apart.cases}
    for title, chosen in sets.items():
        yield "| " + " | ".join([title, *_row(apart, chosen)]) + " |"


def _row(apart: Apart, chosen: Sequence[str]) -> Iterator[str]:
    gaps, between = apart.programs(chosen), apart.entries(chosen)
    upper = np.triu_indices(len(entries()), 1)
    yield f"{int((gaps[0, 1:] > SAME).sum())}"
    yield f"{sum(bool((gaps[0, block] > SAME).any()) for block in blocks_of_entries()[1:])}"
    yield f"{classes(gaps, SAME)}"
    pairs = between[1:, 1:][upper]
    yield f"{int((pairs > SAME).sum()):,}"
    yield f"{int((pairs > PRINTED).sum()):,}"
    exact = [n for n, name in enumerate(names()) if _is_exact(name)]
    chosen_pairs = between[np.ix_(exact, exact)][np.triu_indices(len(exact), 1)]
    yield f"{chosen_pairs[chosen_pairs > SAME].min():.1e}"


def _is_exact(name: str) -> bool:
    """Whether an entry changes the mathematics; the others are near the right program."""
    return name == RIGHT or by_id()[name].kind in (MISTAKE, CONVENTION)


def _shown(apart: Apart) -> Iterator[str]:
    yield "## Which probe shows which entry"
    yield ""
    yield (
        f"{_ALL} every variant leaves other final weights or biases than the right program, "
        f"{_SOME} some do. The last column: how far an entry's least visible variant is off on the "
        "any probe."
    )
    yield ""
    short = [case.removeprefix("probe-") for case in apart.cases]
    yield "| entry | " + " | ".join(short) + " | at least |"
    yield "|---|" + ":-:|" * len(short) + "--:|"
    largest = apart.programs()[0]
    for entry, block in zip(entries(), blocks_of_entries()[1:], strict=True):
        marks = [_mark(apart.gaps[n, 0, block] > SAME) for n in range(len(apart.cases))]
        least = float(largest[block].min())
        size = "rounding" if least <= SAME else "large" if least > 1 else f"{least:.1e}"
        yield f"| {_link(entry)} | " + " | ".join(marks) + f" | {size} |"


def _mark(seen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> str:
    return _ALL if seen.all() else _SOME if seen.any() else ""


def _link(entry: Entry) -> str:
    return f"[`{entry.id}`](bugs.md#{entry.id})"


def _tied(apart: Apart, chosen: Sequence[str]) -> dict[str, list[str]]:
    """Return, by entry, the other entries that it cannot be told from, in some variants."""
    between = apart.entries(chosen) <= SAME
    ids = names()
    return {
        ids[n]: [ids[m] for m in np.flatnonzero(between[n]).tolist() if m != n]
        for n in range(1, len(ids))
        if between[n].sum() > 1
    }


def _unavoidable(apart: Apart) -> Iterator[str]:
    yield "## Ties that no probe can break"
    yield ""
    yield "Their final weights and biases are the same whatever the numbers are."
    yield ""
    yield "| entry | leaves the same final numbers as | because | what tells it |"
    yield "|---|---|---|---|"
    for name, others in _tied(apart, apart.cases).items():
        same = ", ".join("the right program" if o == RIGHT else f"`{o}`" for o in others)
        because, told = _reason(by_id()[name], others)
        yield f"| {_link(by_id()[name])} | {same} | {because} | {told} |"


def _reason(entry: Entry, others: Sequence[str]) -> tuple[str, str]:
    if entry.kind == ALTERNATIVE:
        return (
            "it is the same mathematics by another formula: only lost digits differ",
            "`probe-saturated`, where these digits are more than the bounds allow, or nothing",
        )
    if entry.id == "error-sign-convention":
        return "both signs are turned, and the two cancel in every update", "a trace of FE"
    also = all(o != RIGHT and by_id()[o].kind == ALTERNATIVE for o in others)
    return ("", "") if also else ("**not accounted for**", "a better probe")


def _ties(apart: Apart, title: str, chosen: Sequence[str]) -> Iterator[str]:
    seen = [
        bool((apart.programs(chosen)[0, block] > SAME).any()) for block in blocks_of_entries()[1:]
    ]
    hidden = [entry for entry, visible in zip(entries(), seen, strict=True) if not visible]
    always = _tied(apart, apart.cases)
    yield f"## With fewer probes: {title}"
    yield ""
    if hidden:
        yield f"Not seen at all ({len(hidden)}): " + ", ".join(f"`{e.id}`" for e in hidden) + "."
    pairs = [
        (name, other)
        for name, others in _tied(apart, chosen).items()
        for other in others
        if name < other and RIGHT not in (name, other) and other not in always.get(name, ())
    ]
    pairs = [p for p in pairs if not {by_id()[name] for name in p} & set(hidden)]
    partly = [p for p in pairs if _through_invisible(apart, p, chosen)]
    real = [p for p in pairs if p not in partly]
    if real:
        yield ""
        yield "Seen, and alike in some variants:"
        yield ""
        for a, b in real:
            yield f"- `{a}` and `{b}`: {_told(apart, a, b)}"
    else:
        yield ""
        yield "Of those that are seen, no two are alike."


def _through_invisible(apart: Apart, pair: tuple[str, str], chosen: Sequence[str]) -> bool:
    """Whether two entries are alike only in variants that are not seen."""
    gaps, ids, blocks = apart.programs(chosen), names(), blocks_of_entries()
    rows = [
        [n for n in range(blocks[ids.index(name)].start, blocks[ids.index(name)].stop)
         if gaps[0, n] > SAME]
        for name in pair
    ]  # fmt: skip
    return bool((gaps[np.ix_(*rows)] > SAME).all())


def _told(apart: Apart, a: str, b: str) -> str:
    """Return which probes tell two entries apart in all variants."""
    i, j = names().index(a), names().index(b)
    able = [case for case in apart.cases if apart.entries((case,))[i, j] > SAME]
    if able:
        return "told apart by " + ", ".join(f"`{case}`" for case in able)
    return "told apart by several probes together"
