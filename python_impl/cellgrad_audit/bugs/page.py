"""The catalogue as text for a page: the generated part of ``reference/bugs.md``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from cellgrad.case.model import Case
from cellgrad_audit.bugs.catalogue import CHAPTERS, entries, variants
from cellgrad_audit.bugs.entry import ALTERNATIVE, CONVENTION, MISTAKE, PRECISION, Entry

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
    for title, chapter in CHAPTERS.items():
        lines += ["", f"## {title}"]
        for entry in chapter.entries:
            lines += ["", *_described(entry, cases)]
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


def _described(entry: Entry, cases: Sequence[Case]) -> Iterator[str]:
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
