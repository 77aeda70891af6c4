"""Proposing the map of somebody else's workbook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cellgrad.errors import EngineError, InputError
from cellgrad_audit.foreign.blocks import blocks_of, describe
from cellgrad_audit.foreign.following import Formulas
from cellgrad_audit.foreign.layers import Choose, Forward, NotFoundError, find_forward
from cellgrad_audit.foreign.map_file import parse_map
from cellgrad_audit.foreign.map_text import MapText, relative
from cellgrad_audit.foreign.matching import Matched, Matcher
from cellgrad_audit.foreign.sheets import read_foreign


@dataclass(frozen=True, slots=True)
class Proposal:
    """A map, or as much of it as was found.

    Attributes:
        text: the TOML.
        complete: whether the audit accepts it.
        lines: what was found, for people.
    """

    text: str
    complete: bool
    lines: tuple[str, ...]


def propose(
    workbook: Path,
    map_path: Path,
    choose: Choose,
    *,
    nodes: Sequence[int] | None = None,
) -> Proposal:
    """Propose the map of a workbook.

    Args:
        workbook: the file.
        map_path: where the map will lie.
        choose: asks where several fit.
        nodes: the network's layers, if they are known.

    Raises:
        InputError: the workbook cannot be used.
    """
    foreign = read_foreign(workbook)
    named = relative(workbook, map_path.parent)
    formulas = Formulas.of(foreign)
    sheets = list(foreign.book.sheets)
    try:
        forward = _forward(formulas, choose, nodes)
        matched = _matched(formulas, forward, choose)
        sheet = _main_sheet(forward)
        text = "\n".join(MapText(named, sheet, matched, forward.slope).lines()) + "\n"
        parse_map(text.encode(), map_path, sheets)
    except (NotFoundError, EngineError, InputError) as error:
        problem = error.problem if isinstance(error, InputError) else str(error)
        return Proposal(_skeleton(named, sheets, problem, formulas), False, (problem,))
    return Proposal(text, True, tuple(_summary(forward, matched)))


def _forward(formulas: Formulas, choose: Choose, nodes: Sequence[int] | None) -> Forward:
    """Return the forward pass of the whole workbook, or else of one of its sheets."""
    problems = []
    sheets = Counter(place[0] for place in formulas.terms)
    for sheet in (None, *(sheet for sheet, _ in sheets.most_common())):
        if sheet is not None and len(sheets) == 1:
            break
        try:
            found = find_forward(formulas, choose, nodes, sheet)
            _check(found, nodes)
        except NotFoundError as error:
            problems.append(str(error))
        else:
            return found
    raise NotFoundError(problems[0])


def _check(forward: Forward, nodes: Sequence[int] | None) -> None:
    if nodes and list(nodes) != forward.nodes:
        raise NotFoundError(
            f"the formulas make a network of {_dashed(forward.nodes)}, not {_dashed(nodes)}"
        )
    if not forward.targets:
        raise NotFoundError(
            f"a forward pass of {_dashed(forward.nodes)}, but no typed targets beside its outputs"
        )


def _matched(formulas: Formulas, forward: Forward, choose: Choose) -> Matched:
    matcher = Matcher(formulas, forward)
    found = matcher.result()
    same = [found.structure, *found.others]
    options = list(dict.fromkeys(f"{s.loss}, {s.update}" for s in same))
    if len(options) > 1:
        n = choose("Several errors fit the numbers; which one is meant?", options)
        if n:
            chosen = next(s for s in same if f"{s.loss}, {s.update}" == options[n])
            again = Matcher(formulas, forward)
            again.candidates = [chosen]
            found = again.result()
    return found


def _main_sheet(forward: Forward) -> str:
    sheets = Counter(node.key[0] for layer in forward.layers for nodes in layer for node in nodes)
    return sheets.most_common(1)[0][0]


def _dashed(nodes: Sequence[int]) -> str:
    return "-".join(map(str, nodes))


def _summary(forward: Forward, matched: Matched) -> list[str]:
    s = matched.structure
    lines = [
        (
            f"a network of {_dashed(s.nodes)} ({', '.join(s.activations)}), {forward.samples}"
            f" sample{'s' * (forward.samples > 1)}, {s.loss}"
        ),
    ]
    for key, placed in matched.computed.items():
        name = key[0] if key[1] is None else f"{key[0]} of layer {key[1]}"
        if placed.mistake:
            lines.append(f"{name}: no right numbers, but those of: {placed.mistake}")
        elif placed.fitting < placed.size:
            lines.append(f"{name}: {placed.fitting} of {placed.size} cells hold the right numbers")
    gradients = {key[1] for key in matched.computed if key[0] == "weight_gradient"}
    missing = [k for k in range(s.layers) if k not in gradients]
    if missing:
        layers = ", ".join(map(str, missing))
        lines.append(f"the weight gradients of layer {layers} were not found")
    return lines


def _skeleton(workbook: str, sheets: list[str], problem: str, formulas: Formulas) -> str:
    """Return a map with open places, and what may stand in them."""
    import json  # noqa: PLC0415 - rarely needed

    lines = [
        "# cellgrad locate found no whole map. Fill the open places and remove the signs in front",
        "# of them; reference/foreign-workbooks.md says what they mean.",
        f"# What is missing: {' '.join(problem.split())}",
        'schema = "cellgrad-workbook-map/1"',
        f"workbook = {json.dumps(workbook, ensure_ascii=False)}",
        f"sheet = {json.dumps(sheets[0] if sheets else '', ensure_ascii=False)}",
        "",
        "[network]",
        "# nodes = [3, 4, 1]",
        '# activations = ["logistic", "logistic"]',
        '# loss = "half_squared_error"',
        '# learning_rate = "B2"  # a number, or the cell where it stands',
        "",
        "[given]",
        '# input = "A1:A3"',
        '# target = "F1"',
        '# weights = ["B1:E3", {cells = "B8:E8", transposed = true}]  # one a layer',
        '# biases = ["B5:E5", "F8"]',
        "",
        "[computed]",
        '# weight_gradient = ["", "H8:H11"]  # "" where the sheet does not show it',
        "",
        "# Blocks of cells on its sheets:",
    ]
    lines += [f"#   {describe(block)}" for block in blocks_of(formulas)]
    return "\n".join(lines) + "\n"
