"""The generated parts of ``reference/bugs.md`` and ``reference/separation.md``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np

from cellgrad.case.model import Case
from cellgrad_audit.bugs.catalogue import (
    ALTERNATIVE,
    CONVENTION,
    MISTAKE,
    PRECISION,
    Entry,
    by_id,
    chapters,
    entries,
    variants,
)
from cellgrad_audit.bugs.pairs import (
    PRINTED,
    RIGHT,
    SAME,
    Distances,
    blocks_of_entries,
    classes,
    names,
)

LABELS = {
    "pre_activation": "S_preA",
    "exponential": "EXP(S_preA)",
    "post_activation": "S_postA",
    "final_error": "FE",
    "activation_derivative": "fA′(S_preA)",
    "error_derivative": "∂E/∂S_postA",
    "backpropagated_error": "Σ S_ERROR·weight",
    "error_signal": "S_ERROR",
    "weight_gradient": "gradient",
    "bias_gradient": "gradient_bias",
    "new_weights": "new_weight",
    "new_biases": "new_bias",
}
"""What a sheet calls a quantity, without the letters of its layer."""

KINDS = {
    MISTAKE: "mistake",
    CONVENTION: "convention: acceptable if declared",
    ALTERNATIVE: "another formula: accepted",
    PRECISION: "precision",
}


def catalogue_text(cases: Sequence[Case]) -> str:
    """Return the part of the page that comes from the table: every entry.

    Args:
        cases: on which it is tried out how a case states a convention.
    """
    lines = [
        "## All entries",
        "",
        f"{len(entries())} entries in {len(variants())} variants.",
        "",
        *_summary(),
    ]
    for title, chapter in chapters().items():
        lines += ["", f"## {title}"]
        for entry in chapter:
            lines += ["", *_text_of(entry, cases)]
    return "\n".join(lines)


def anchor(entry: Entry) -> str:
    """Return a link to an entry's place on the page."""
    return f"[`{entry.id}`](#{entry.id})"


def first_of(entry: Entry) -> list[str]:
    """Return the first wrong quantities of an entry's variants, the entry's own first."""
    return list(dict.fromkeys((entry.first, *(variant.first for variant in entry.variants))))


def _summary() -> Iterator[str]:
    yield "| entry | in short | first wrong | kind | to be seen it needs |"
    yield "|---|---|---|---|---|"
    for entry in entries():
        first = ", ".join(LABELS[name] for name in first_of(entry))
        kind = KINDS[entry.kind].partition(":")[0]
        cells = (anchor(entry), entry.title, first, kind, entry.needs)
        yield "| " + " | ".join(_in_table(cell) for cell in cells) + " |"


def _in_table(text: str) -> str:
    return text.replace("|", "\\|")


def _text_of(entry: Entry, cases: Sequence[Case]) -> Iterator[str]:
    yield f"### {entry.id}"
    yield ""
    yield f"**{entry.title}.** ({KINDS[entry.kind]})"
    yield ""
    yield f"- wrong: `{entry.wrong}`"
    yield f"- right: `{entry.right}`"
    yield f"- first wrong: {'; '.join(_first(entry))}"
    if entry.needs:
        yield f"- to be seen it needs: {entry.needs}"
    if len(entry.variants) > 1:
        yield f"- variants: {'; '.join(v.name or 'plainly so' for v in entry.variants)}"
    yield f"- why: {entry.why}"
    yield f"- what to do: {entry.fix}"
    if entry.kind == CONVENTION:
        yield f"- to declare it: {_declared(entry, cases)}"
    if entry.seen:
        yield "- seen: " + "; ".join(f"[{seen.what}]({seen.url})" for seen in entry.seen)


def _first(entry: Entry) -> Iterator[str]:
    for name in first_of(entry):
        of = [v.name for v in entry.variants if v.first == name]
        text = f"{LABELS[name]} (`{name}`)"
        everywhere = len(of) == len(entry.variants) or name == entry.first
        yield text if everywhere else f"{text} in {', '.join(f'*{variant}*' for variant in of)}"


def _declared(entry: Entry, cases: Sequence[Case]) -> str:
    """Return how a convention is declared: what the case says of itself, or to the auditor."""
    command = f"`--convention {entry.id}`"
    for case in cases:
        if entry.declare is None or (declared := entry.declare(case)) == case:
            continue
        before, after = asdict(case), asdict(declared)
        changed = {name: after[name] for name in after if after[name] != before[name]}
        if "conventions" in changed:
            new, old = changed.pop("conventions"), before["conventions"]
            inner = {k: v for k, v in new.items() if v != old[k]}
            changed["conventions"] = inner
        return f"`{_json(changed)}` in the case, or {command}"
    return f"{command}; a case has no word for it"


def _json(value: object) -> str:
    return json.dumps(value)[1:-1]


# what the probes tell apart


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


def separation_text(apart: Distances) -> str:
    """Return numbers, tables and ties of a set of probes."""
    lines = [*_numbers(apart), "", *_what_is_seen(apart), "", *_unavoidable(apart)]
    for title, chosen in _present(apart).items():
        lines += ["", *_ties(apart, title, chosen)]
    return "\n".join(lines)


def _present(apart: Distances) -> dict[str, tuple[str, ...]]:
    return {title: chosen for title, chosen in SUBSETS.items() if set(chosen) <= set(apart.cases)}


def _numbers(apart: Distances) -> Iterator[str]:
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


def _row(apart: Distances, chosen: Sequence[str]) -> Iterator[str]:
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


def _what_is_seen(apart: Distances) -> Iterator[str]:
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


def _tied(apart: Distances, chosen: Sequence[str]) -> dict[str, list[str]]:
    """Return, by entry, the other entries that it cannot be told from, in some variants."""
    between = apart.entries(chosen) <= SAME
    ids = names()
    return {
        ids[n]: [ids[m] for m in np.flatnonzero(between[n]).tolist() if m != n]
        for n in range(1, len(ids))
        if between[n].sum() > 1
    }


def _unavoidable(apart: Distances) -> Iterator[str]:
    yield "## Ties that no probe can break"
    yield ""
    yield "Their final weights and biases are the same whatever the numbers are."
    yield ""
    yield "| entry | leaves the same final numbers as | because | what tells it |"
    yield "|---|---|---|---|"
    for name, others in _tied(apart, apart.cases).items():
        same = ", ".join("the right program" if o == RIGHT else f"`{o}`" for o in others)
        because, tells = _reason(by_id()[name], others)
        yield f"| {_link(by_id()[name])} | {same} | {because} | {tells} |"


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


def _ties(apart: Distances, title: str, chosen: Sequence[str]) -> Iterator[str]:
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
            yield f"- `{a}` and `{b}`: {_what_tells(apart, a, b)}"
    else:
        yield ""
        yield "Of those that are seen, no two are alike."


def _through_invisible(apart: Distances, pair: tuple[str, str], chosen: Sequence[str]) -> bool:
    """Whether two entries are alike only in variants that are not seen."""
    gaps, blocks = apart.programs(chosen), dict(zip(names(), blocks_of_entries(), strict=True))
    rows = [np.arange(len(gaps))[blocks[name]] for name in pair]
    seen = [programs[gaps[0, programs] > SAME] for programs in rows]
    return bool((gaps[np.ix_(*seen)] > SAME).all())


def _what_tells(apart: Distances, a: str, b: str) -> str:
    """Return which probes tell two entries apart in all variants."""
    i, j = names().index(a), names().index(b)
    able = [case for case in apart.cases if apart.entries((case,))[i, j] > SAME]
    if able:
        return "told apart by " + ", ".join(f"`{case}`" for case in able)
    return "told apart by several probes together"
