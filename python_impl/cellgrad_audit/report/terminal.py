"""The answer of ``cellgrad audit`` for people at a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cellgrad.errors import printable
from cellgrad_audit.report import (
    STATUS,
    bug,
    count_of,
    counts,
    digits,
    exact,
    explains,
    first_divergence_of,
    group_words,
    joined_words,
    mistakes,
    one_line,
    origin_of,
    precision,
    repeat_command,
    share_in_words,
    short,
    verdict_sentence,
    why,
)
from cellgrad_audit.result import (
    AGREES,
    BIT_IDENTICAL,
    CONVENTION,
    FAILED,
    INCONCLUSIVE,
    RIGHT,
    WITHIN_BOUND,
    Audit,
    Cell,
    Diagnosis,
    Group,
)

OTHERS = 4
"""So many further diagnoses are named; --json has them all."""

SHOWN = 12
"""So many numbers of a group are printed."""

_INDENT = 13


def print_audit(audit: Audit, console: Console) -> None:
    """Print the verdict, what explains it, and how far it reaches."""
    colour = "green" if audit.verdict in RIGHT else "yellow"
    if audit.verdict not in (CONVENTION, INCONCLUSIVE, *RIGHT):
        colour = "red"
    console.print(Text(printable(audit.target), style="bold"))
    console.print(Text(one_line(verdict_sentence(audit)), style=f"bold {colour}"))
    failed = sum(p.status == FAILED for p in audit.probes)
    if failed and audit.verdict != INCONCLUSIVE:
        console.print(Text(f"{count_of(failed, 'case')} failed; see below.", style="bold yellow"))
    console.print()
    if audit.groups:
        for group in audit.groups:
            _print_group(console, group)
    else:
        _print_diagnoses(console, audit)
    _print_divergence(console, audit)
    for note in audit.notes:
        _item(console, "note", one_line(note))
    if audit.notes:
        console.print()
    _print_probes(console, audit)
    _print_scope(console, audit)


def audit_text(audit: Audit, width: int = 80) -> str:
    """Return what ``print_audit`` prints, without colours."""
    console = Console(width=width, file=io.StringIO(), color_system=None, highlight=False)
    with console.capture() as captured:
        print_audit(audit, console)
    return captured.get()


def _item(console: Console, name: str, text: str | Text) -> None:
    """Print a name and beside it a text, in lines of its own width."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=_INDENT, no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(Text(name, style="dim"), text if isinstance(text, Text) else Text(text))
    console.print(table)


# what explains the numbers


def _print_diagnoses(console: Console, audit: Audit) -> None:
    if not audit.diagnoses:
        return
    best = audit.diagnoses[0]
    _print_mistakes(console, best)
    if best.where:
        _item(console, "seen in", best.where)
    _item(console, "explains", f"{explains(best)} that were compared")
    if best.ties:
        _item(
            console, "or", f"{joined_words(best.ties)}: the same numbers in all that was exercised"
        )
    if best.told_by:
        _item(console, "would tell", best.told_by)
    others = [bug(d) for d in audit.diagnoses[1:] if bug(d) not in best.ties]
    if others:
        more = f" and {len(others) - OTHERS} more" if len(others) > OTHERS else ""
        _item(console, "also fits", f"{', '.join(others[:OTHERS])}{more}")
    console.print()


def _print_mistakes(console: Console, diagnosis: Diagnosis) -> None:
    for entry, variant in mistakes(diagnosis):
        several = len(diagnosis.entries) > 1
        if several:
            console.print(Text(entry.title, style="bold"))
        _item(console, "wrong" if entry.kind == "mistake" else "as it is", entry.wrong)
        _item(console, "right", entry.right)
        if variant.name:
            _item(console, "which", variant.name)
        _item(console, "why", entry.why)
        _item(console, "to fix", entry.fix)
        if several:
            console.print()


def _print_group(console: Console, group: Group) -> None:
    """Print printed numbers that one explanation reproduces."""
    style = "green" if group.right else "red"
    heading = Text(count_of(len(group.cells), "number"), style=f"bold {style}")
    heading.append(f": {group_words(group)}")
    console.print(heading)
    console.print(Padding(_numbers(group.cells[:SHOWN], right=not group.right), (0, 0, 0, 2)))
    if len(group.cells) > SHOWN:
        console.print(f"  … and {len(group.cells) - SHOWN:,} more; --json lists them")
    if group.diagnosis is not None:
        _print_mistakes(console, group.diagnosis)
    console.print()


def _numbers(cells: Sequence[Cell], *, right: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("number", overflow="fold")
    table.add_column("given", justify="right", no_wrap=True)
    if right:
        table.add_column("right", justify="right", no_wrap=True)
    for cell in cells:
        row = [cell.label, short(cell.found, 10)]
        table.add_row(*row, short(cell.right, 10)) if right else table.add_row(*row)
    return table


def _print_divergence(console: Console, audit: Audit) -> None:
    first = first_divergence_of(audit)
    if first is None:
        return
    probed, cell = first
    equation = f" ({cell.equation})" if cell.equation else ""
    word = "differing" if audit.verdict in RIGHT else "wrong"
    console.print(Text(f"first {word} number", style="bold"))
    console.print(Text(f"  {cell.label}{equation} of {probed.case.id}"), soft_wrap=False)
    for name, value in (("is", cell.found), ("should be", cell.right)):
        console.print(Text(f"  {name:10}{exact(value)}"))
    gap = cell.found - cell.right
    console.print(
        Text(
            f"  {'gap':10}{short(gap, 5)}, where rounding explains {short(cell.bound, 4)}; "
            f"{digits(cell)} digits are correct"
        )
    )
    console.print()


# what was compared


def _print_probes(console: Console, audit: Audit) -> None:
    if not audit.probes:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("case", overflow="fold")
    for heading in ("numbers", "agree", "same bits", "worst"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for probed in audit.probes:
        counted = counts(probed)
        worst = share_in_words(counted.worst)
        numbers = [f"{n:,}" for n in (counted.cells, counted.agree, counted.same)]
        style = {AGREES: "green", "differs": "bold red"}.get(probed.status, "yellow")
        blank = [""] * 4
        table.add_row(
            printable(probed.case.id),
            *([*numbers, worst] if probed.cells else blank),
            Text(STATUS.get(probed.status, probed.status), style=style),
        )
    console.print(table)
    if any(probed.cells for probed in audit.probes):
        console.print(Text("worst: the largest gap, in rounding bounds", style="dim"))
    reasons: dict[str, list[str]] = {}
    for probed in audit.probes:
        if why(probed):
            reasons.setdefault(why(probed), []).append(printable(probed.case.id))
    for text, names in reasons.items():
        console.print(Text(f"{', '.join(names)}: {text}"), overflow="fold")
    console.print()


def _print_scope(console: Console, audit: Audit) -> None:
    for name, text in _scope(audit):
        _item(console, name, text)
    console.print()
    _item(console, "again", repeat_command(audit))
    shipped = [p.case for p in audit.probes if origin_of(p.case, audit.declared).file]
    if shipped:
        _item(console, "cases", "reference/probes/, or cellgrad probes -o DIR")


def _scope(audit: Audit) -> Iterator[tuple[str, str]]:
    """Yield how far the verdict reaches, each with its name."""
    if audit.verdict != INCONCLUSIVE:
        yield "precision", precision(audit)
    if audit.tolerance is not None and audit.verdict not in (BIT_IDENTICAL, WITHIN_BOUND):
        yield "tolerance", f"{audit.tolerance:g}, beside the rounding bounds"
    if audit.declared:
        yield "declared", ", ".join(audit.declared)
    if audit.not_exercised:
        yield "not exercised", f"{', '.join(audit.not_exercised)}"
    if audit.unseen and audit.verdict != INCONCLUSIVE:
        yield "blind to", f"{', '.join(audit.unseen)}: no case that ran would have shown them"
