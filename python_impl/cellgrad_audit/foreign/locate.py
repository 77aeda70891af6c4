"""Proposing the map of somebody else's workbook, as commented TOML."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path

from cellgrad.case.quantities import Key, Structure, table
from cellgrad.errors import EngineError, InputError
from cellgrad.xlsx.addresses import Place, Range, quoted
from cellgrad_audit.foreign import Formulas, label_near, read_foreign
from cellgrad_audit.foreign.layers import Choose, Forward, NotFoundError, find_forward
from cellgrad_audit.foreign.map_file import NEW, SCHEMA, Placement, parse_map
from cellgrad_audit.foreign.matching import Matched, Matcher, Placed

MOST_BLOCKS = 60

_ORDER = (
    "pre_activation", "exponential", "exponential_sum", "post_activation", "final_error",
    "sample_error", "error", "error_derivative", "activation_derivative",
    "backpropagated_error", "error_signal", "weight_gradient", "bias_gradient", "new_weights",
    "new_biases",
)  # fmt: skip


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
    workbook: Path, map_path: Path, choose: Choose, *, nodes: Sequence[int] | None = None
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
    name = _relative(workbook, map_path.parent)
    formulas = Formulas.of(foreign)
    sheets = list(foreign.book.sheets)
    try:
        forward = _forward(formulas, choose, nodes)
        matched = _matched(formulas, forward, choose)
        text = "\n".join(_MapText(name, forward, matched).lines()) + "\n"
        parse_map(text.encode(), map_path, foreign)
    except (NotFoundError, EngineError, InputError) as error:
        problem = error.problem if isinstance(error, InputError) else str(error)
        return Proposal(_skeleton(name, sheets, problem, formulas), False, (problem,))
    return Proposal(text, True, tuple(_summary(forward, matched)))


def _relative(workbook: Path, folder: Path) -> str:
    """Return how a map in a folder names a workbook."""
    try:
        return workbook.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return workbook.resolve().as_posix()


def _forward(formulas: Formulas, choose: Choose, nodes: Sequence[int] | None) -> Forward:
    """Return the forward pass of the whole workbook, or else of one of its sheets."""
    problems = []
    counts = Counter(place[0] for place in formulas.terms)
    sheets = [sheet for sheet, _ in counts.most_common()] if len(counts) > 1 else []
    for sheet in (None, *sheets):
        try:
            forward = find_forward(formulas, choose, nodes, sheet)
            _check(forward, nodes)
        except NotFoundError as error:
            problems.append(error)
        else:
            return forward
    raise problems[0]


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
    matched = Matcher(formulas, forward).result()
    fitting: dict[str, Structure] = {}
    for structure in (matched.structure, *matched.others):
        fitting.setdefault(_loss_and_update(structure), structure)
    options = list(fitting)
    if len(options) > 1:
        n = choose("Several errors fit the numbers; which one is meant?", options)
        if n:
            again = Matcher(formulas, forward)
            again.candidates = [fitting[options[n]]]
            return again.result()
    return matched


def _loss_and_update(structure: Structure) -> str:
    return f"{structure.loss}, {structure.update}"


def _dashed(nodes: Sequence[int]) -> str:
    return "-".join(map(str, nodes))


def _summary(forward: Forward, matched: Matched) -> Iterator[str]:
    s = matched.structure
    yield (
        f"a network of {_dashed(s.nodes)} ({', '.join(s.activations)}), {forward.samples}"
        f" sample{'s' * (forward.samples > 1)}, {s.loss}"
    )
    for (quantity, layer), placed in matched.computed.items():
        name = quantity if layer is None else f"{quantity} of layer {layer}"
        if placed.mistake:
            yield f"{name}: no right numbers, but those of: {placed.mistake}"
        elif placed.fitting < placed.size:
            yield f"{name}: {placed.fitting} of {placed.size} cells hold the right numbers"
    gradients = {layer for name, layer in matched.computed if name == "weight_gradient"}
    missing = [str(k) for k in range(s.layers) if k not in gradients]
    if missing:
        yield f"the weight gradients of layer {', '.join(missing)} were not found"


# the map as text


class _MapText:
    """The text of a map.

    Args:
        workbook: the workbook, as the map names it.
        forward: the forward pass that was found.
        matched: what else was found.
    """

    def __init__(self, workbook: str, forward: Forward, matched: Matched) -> None:
        self.workbook, self.forward, self.matched = workbook, forward, matched
        self.known = table(matched.structure)
        keys = [node.key for layer in forward.layers for nodes in layer for node in nodes]
        self.sheet = Counter(key[0] for key in keys).most_common(1)[0][0]

    def lines(self) -> list[str]:
        """Return the lines of the TOML."""
        return [
            "# Proposed by cellgrad locate: look at every range before you trust a verdict.",
            f"schema = {_text(SCHEMA)}",
            f"workbook = {_text(self.workbook)}",
            f"sheet = {_text(self.sheet)}",
            "",
            *self._network(),
            "",
            *self._given(),
            "",
            *self._computed(),
        ]

    def _network(self) -> Iterator[str]:
        s, rate = self.matched.structure, self.matched.rate
        yield "[network]"
        yield f"nodes = {list(s.nodes)}"
        yield f"activations = {json.dumps(s.activations)}"
        yield f"loss = {_text(s.loss)}"
        others = dict.fromkeys(map(_loss_and_update, self.matched.others))
        others.pop(_loss_and_update(s), None)
        if others:
            yield f"# the numbers fit these as well: {'; '.join(others)}"
        if s.samples > 1:
            yield f"update = {_text(s.update)}"
        if isinstance(rate, float):
            yield f"learning_rate = {rate!r}  # the number in the formulas"
        elif rate is not None:
            yield f"learning_rate = {_text(self._cell(rate))}"
        else:
            yield "# no update was found, so no learning_rate is needed"
        if self.forward.slope:
            yield f"leaky_slope = {self.forward.slope!r}"
        if s.error_sign != "output_minus_target":
            yield from ("", "[network.conventions]", f"error_sign = {_text(s.error_sign)}")

    def _given(self) -> Iterator[str]:
        given = self.matched.given
        yield "[given]"
        for name in ("input", "target"):
            yield f"{name} = {self._area((name, None), given[name, None])}"
        for name in ("weights", "biases"):
            if (name, 0) in given:
                keys: list[Key] = [(name, k) for k in range(self.matched.structure.layers)]
                yield from _layers(name, [f"{self._area(key, given[key])}," for key in keys])

    def _computed(self) -> Iterator[str]:
        computed = self.matched.computed
        names = {name for name, _ in computed}
        codes = {code: name for name, code in NEW.items()}
        yield "[computed]"
        for name in _ORDER:
            if (name, None) in computed:
                placed = computed[name, None]
                yield f"{name} = {self._area((name, None), placed.placement)}{_remark(placed)}"
            elif name in names:
                entries = []
                for k in range(self.matched.structure.layers):
                    entry = computed.get((name, k))
                    area = '""' if entry is None else self._area((name, k), entry.placement)
                    entries.append(f"{area},{'' if entry is None else _remark(entry)}")
                yield from _layers(codes.get(name, name), entries)
        known = {name for name, _ in self.known}
        wanted = ("error", "error_signal", "weight_gradient", "bias_gradient")
        missing = [name for name in wanted if name in known - names]
        if missing:
            yield f"# not found: {', '.join(missing)}"

    def _area(self, key: Key, where: Placement) -> str:
        ranges = [self._range(piece) for piece in where.pieces]
        cells = _text(ranges[0] if len(ranges) == 1 else ranges)
        flipped = where.axes == (1, 0)
        if not flipped or (len(ranges) == 1 and 1 in where.shape):
            return cells
        if self.known[key].per_sample:
            return f'{{cells = {cells}, samples = "columns"}}'
        return f"{{cells = {cells}, transposed = true}}"

    def _range(self, area: Range) -> str:
        return area.address if area.sheet == self.sheet else f"{quoted(area.sheet)}!{area.address}"

    def _cell(self, place: Place) -> str:
        return self._range(Range(*place, *place[1:]))


def _layers(name: str, entries: Sequence[str]) -> list[str]:
    return [f"{name} = [", *(f"  {entry}" for entry in entries), "]"]


def _remark(placed: Placed) -> str:
    if placed.mistake:
        return f"  # holds no right numbers, but those of: {' '.join(placed.mistake.split())}"
    if placed.fitting < placed.size:
        return f"  # only {placed.fitting} of {placed.size} cells hold the right numbers"
    return ""


def _text(value: str | list[str]) -> str:
    """Return texts as TOML writes them: as JSON does, but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


# what is written where no map was found


def _skeleton(workbook: str, sheets: list[str], problem: str, formulas: Formulas) -> str:
    """Return a map with open places, and what may stand in them."""
    lines = [
        "# cellgrad locate found no whole map. Fill the open places and remove the signs in front",
        "# of them; reference/foreign-workbooks.md says what they mean.",
        f"# What is missing: {' '.join(problem.split())}",
        f"schema = {_text(SCHEMA)}",
        f"workbook = {_text(workbook)}",
        f"sheet = {_text(sheets[0] if sheets else '')}",
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
    lines += [f"#   {line}" for line in islice(_blocks(formulas), MOST_BLOCKS)]
    return "\n".join(lines) + "\n"


def _blocks(formulas: Formulas) -> Iterator[str]:
    """Yield the rectangles of numbers and of formulas in the order of reading, a line each."""
    for name, sheet in formulas.foreign.book.sheets.items():
        kinds = {
            cell: "numbers" for cell, value in sheet.values.items() if isinstance(value, float)
        }
        kinds |= dict.fromkeys(sheet.formulas, "formulas")
        for cell, kind in sorted(kinds.items()):
            if cell not in kinds:
                continue
            area = _grown(name, cell, kinds)
            for inside in product(
                range(area.top, area.bottom + 1), range(area.left, area.right + 1)
            ):
                del kinds[inside]
            label = label_near(formulas, (name, *cell))
            label = "".join(c for c in label if c.isprintable())[:40]
            near = f", near {label!r}" if label else ""
            yield f"{area}: {area.height} × {area.width} {kind}{near}"


def _grown(sheet: str, cell: tuple[int, int], kinds: dict[tuple[int, int], str]) -> Range:
    """Return the largest rectangle of one kind from a corner on: first right, then down."""
    top, left = cell
    kind, right, bottom = kinds[cell], left, top
    while kinds.get((top, right + 1)) == kind:
        right += 1
    while all(kinds.get((bottom + 1, column)) == kind for column in range(left, right + 1)):
        bottom += 1
    return Range(sheet, top, left, bottom, right)
