"""The network as a picture: where its nodes and weights stand, and which of them are lit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Template

from cellgrad import __version__
from cellgrad.case.model import Case
from cellgrad.case.quantities import Index, Key, Structure, layer_letter, node_name
from cellgrad.errors import printable
from cellgrad.report.page import page_template
from cellgrad_audit import report as sentences
from cellgrad_audit.bugs.catalogue import Seen
from cellgrad_audit.probes import features
from cellgrad_audit.report import first_divergence_of, most_telling_case, one_line, short
from cellgrad_audit.report.expression import PEOPLE, cells_in, written
from cellgrad_audit.report.live import (
    GIVEN,
    LiveCell,
    Pair,
    counterpart,
    live_case,
    path_of_mistake,
)
from cellgrad_audit.result import AGREES, DIFFERS, INCONCLUSIVE, RIGHT, Audit, Cell, Probed

WIDTH, NODE, TOP, BOTTOM = 720.0, 17.0, 34.0, 30.0
_ROW = 52.0
_MOST = 8
"""A layer of more nodes shows its first ones and its last."""

NodeAt = tuple[int, int]
"""Layer of nodes, the input layer being 0, and node."""

EdgeAt = tuple[int, int, int]
"""Weight layer, node below, node above."""

PLAIN, WRONG, PATH, FIRST = "plain", "wrong", "path", "first"


@dataclass(slots=True)
class Touched:
    """The nodes and weights that some numbers belong to."""

    nodes: set[NodeAt] = field(default_factory=set)
    edges: set[EdgeAt] = field(default_factory=set)

    def add(self, structure: Structure, key: Key, index: Index) -> None:
        """Add those of one number."""
        name, k = key
        name = name.rpartition(" of ")[2]
        last = structure.layers
        if name in ("weights", "new_weights", "weight_gradient") and k is not None:
            self.edges.add((k, *index))  # type: ignore[arg-type]
        elif name == "input":
            self.nodes.add((0, index[-1]))
        elif name in ("error", "sample_error", "exponential_sum", "epoch_errors"):
            self.nodes |= {(last, o) for o in range(structure.outputs)}
        elif index and name not in ("learning_rate", "penalty"):
            self.nodes.add((last if k is None else k + 1, index[-1]))


@dataclass(frozen=True, slots=True)
class Node:
    """A circle; ``dots`` stands for nodes that are left out."""

    x: float
    y: float
    name: str
    kind: str
    look: str
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """A line from one node to another."""

    x1: float
    y1: float
    x2: float
    y2: float
    name: str
    look: str


@dataclass(frozen=True, slots=True)
class Caption:
    """Words above or below a layer."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A network, ready to be drawn: lit lines come after plain ones."""

    width: float
    height: float
    nodes: list[Node]
    edges: list[Edge]
    captions: list[Caption]
    description: str


def picture(case: Case, wrong: Touched, path: Touched, first: Touched) -> Picture:
    """Return the picture of a case's network.

    Args:
        case: whose network.
        wrong: what numbers that differ belong to.
        path: what lies on the way from the mistake to the first wrong number.
        first: what the first wrong number belongs to.
    """
    structure = case.structure_of(case.batch())
    shown = [_nodes_drawn(count) for count in structure.nodes]
    height = TOP + BOTTOM + _ROW * max(len(layer) for layer in shown)
    places = _places(shown, height)
    looks = [(FIRST, first), (PATH, path), (WRONG, wrong)]
    nodes, edges, captions = [], [], []
    for layer, column in enumerate(places):
        letter = layer_letter(structure, layer)
        for (x, y), node in zip(column, shown[layer], strict=True):
            if node is None:
                nodes.append(Node(x, y, "⋮", letter[0], PLAIN, dots=True))
                continue
            look = _lighting((layer, node), ((name, t.nodes) for name, t in looks))
            nodes.append(Node(x, y, node_name(structure, layer, node), letter[0], look))
        x = column[0][0]
        word = {"I": "input", "H": "hidden", "O": "output"}[letter[0]]
        captions.append(Caption(x, 16, f"{word} {letter}" if letter != word else word))
        if layer:
            function = structure.activations[layer - 1].replace("_", " ")
            captions.append(Caption(x, height - 8, function + " + bias" * structure.biases))
    for k, (left, right) in enumerate(pairwise(places)):
        for (x1, y1), i in zip(left, shown[k], strict=True):
            for (x2, y2), j in zip(right, shown[k + 1], strict=True):
                if i is None or j is None:
                    continue
                look = _lighting((k, i, j), ((name, t.edges) for name, t in looks))
                name = (
                    f"weight_{layer_letter(structure, k)}to{layer_letter(structure, k + 1)}"
                    f"[{i + 1},{j + 1}]"
                )
                edges.append(Edge(x1 + NODE, y1, x2 - NODE, y2, name, look))
    order = [PLAIN, WRONG, PATH, FIRST]
    edges.sort(key=lambda edge: order.index(edge.look))
    words = "A network of " + "-".join(str(n) for n in structure.nodes) + " nodes"
    return Picture(WIDTH, height, nodes, edges, captions, words)


def _lighting(at: object, looks: Iterable[tuple[str, set[NodeAt] | set[EdgeAt]]]) -> str:
    return next((name for name, touched in looks if at in touched), PLAIN)


def _nodes_drawn(count: int) -> list[int | None]:
    if count <= _MOST:
        return list(range(count))
    return [*range(_MOST - 2), None, count - 1]


def _places(shown: list[list[int | None]], height: float) -> list[list[tuple[float, float]]]:
    step = (WIDTH - 130) / max(len(shown) - 1, 1)
    inner = height - TOP - BOTTOM
    return [
        [(65 + layer * step, TOP + inner / len(nodes) * (n + 0.5)) for n in range(len(nodes))]
        for layer, nodes in enumerate(shown)
    ]


MOST_ROWS = 1_500
"""So many numbers of a case are listed; wrong ones come before others are left out."""

MOST_STEPS = 6
_LONG = 1_500


def page(audit: Audit) -> str:
    """Return the page of an audit as the text of an HTML file."""
    probed = most_telling_case(audit)
    found = None if probed is None else _Numbers(audit, probed)
    done = [p for p in audit.probes if p.status in (AGREES, DIFFERS)]
    exercised = dict.fromkeys(word for p in done for word in sorted(features(p.case)))
    return _template().render(
        audit=audit,
        target=printable(audit.target),
        sentence=one_line(sentences.verdict_sentence(audit)),
        look=_look(audit),
        version=__version__,
        failed=sum(p.status == "failed" for p in audit.probes),
        best=audit.diagnoses[0] if audit.diagnoses else None,
        probed=probed,
        first=first_divergence_of(audit),
        found=found,
        exercised=list(exercised),
        cases=[_case(p, audit) for p in audit.probes],
        node=NODE,
        again=sentences.repeat_command(audit),
    )


@dataclass(frozen=True, slots=True)
class Step:
    """One number on the way from the mistake to the first wrong number.

    Attributes:
        name: what it is called.
        equation: its number.
        update: which update it belongs to; 0 where there is only one.
        here: whether the mistake is made in its formula.
        right: the right formula: with names, with numbers, and its value; empty where the
            right computation has no such number.
        wrong: the mistaken one's; empty where nothing is known of a mistake.
        given: the implementation's number, where it gave one.
    """

    name: str
    equation: str
    update: int
    here: bool
    right: tuple[str, str, str]
    wrong: tuple[str, str, str]
    given: str


class _Numbers:
    """What the first wrong number comes from, and what it touches.

    Attributes:
        steps: from the mistake to the number.
        why_not: why there are no live formulas, if there are none.
        picture: the network.
    """

    def __init__(self, audit: Audit, probed: Probed) -> None:
        self.audit, self.probed = audit, probed
        self.steps: list[Step] = []
        self.why_not = ""
        self.path: list[LiveCell] = []
        first = first_divergence_of(audit)
        self.cell = first[1] if first is not None and first[0] is probed else None
        if self.cell is not None:
            self._follow(self.cell)
        self.picture: Picture = self._picture()

    def _follow(self, cell: Cell) -> None:
        shown = live_case(self.audit, self.probed, [cell.slot])
        pair, self.why_not = shown.pair, shown.why_not
        if pair is None:
            return
        end = (pair.wrong or pair.right).cell(cell.slot, cell.index)
        if end is None:
            self.why_not = self.why_not or "it lies beyond what is written as formulas"
            return
        self.path = path_of_mistake(pair, end)
        several = self.probed.case.updates() > 1
        for one in _shortened(self.path):
            self.steps.append(self._step(one, pair, several=several))

    def _step(self, one: LiveCell, pair: Pair, *, several: bool) -> Step:
        right = one if pair.wrong is None else counterpart(pair.right, one)
        end = self.cell if one is self.path[-1] else None
        if end is not None and pair.wrong is not None:
            right = pair.right.cell(end.slot, end.index)
        empty = ("", "", "")
        return Step(
            one.name,
            one.block.equation,
            one.block.update if several else 0,
            one in pair.parted,
            empty if right is None else _formula(right),
            empty if pair.wrong is None else _formula(one),
            "" if end is None else sentences.exact(end.found),
        )

    def _picture(self) -> Picture:
        case = self.probed.case
        structure = case.structure_of(case.batch())
        wrong, path, first = Touched(), Touched(), Touched()
        for cell in self.probed.cells:
            if not cell.agrees:
                wrong.add(structure, (cell.slot.name, cell.slot.layer), cell.index)
        for one in self.path:
            path.add(structure, one.block.key, one.index)
        if self.path and self.path[0].formula is not None and len(self.path) > 1:
            for read in cells_in(self.path[0].formula):
                path.add(structure, read.block.key, read.index)
        if self.cell is not None:
            first.add(structure, (self.cell.slot.name, self.cell.slot.layer), self.cell.index)
        return picture(case, wrong, path, first)


def _shortened(path: Sequence[LiveCell]) -> list[LiveCell]:
    if len(path) <= MOST_STEPS:
        return list(path)
    return [*path[: MOST_STEPS // 2], *path[-MOST_STEPS // 2 :]]


def _formula(cell: LiveCell) -> tuple[str, str, str]:
    """Return a cell's formula with names and with numbers, and its value."""
    if cell.formula is None:
        return "given", "", sentences.exact(cell.value)

    def number(other: Any) -> str:
        return _signed(short(other.value, 6))

    def name(other: Any) -> str:
        update = other.block.update
        earlier = update not in (GIVEN, cell.block.update)
        return f"{other.name} of update {update}" if earlier else str(other.name)

    names = written(cell.formula, name, PEOPLE)
    return _cut(names), _cut(written(cell.formula, number, PEOPLE)), sentences.exact(cell.value)


def _signed(text: str) -> str:
    return f"−{text[1:]}" if text.startswith("-") else text


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]} …"


def _look(audit: Audit) -> str:
    """Return the colour of the verdict."""
    if audit.verdict in RIGHT:
        return "good"
    return "open" if audit.verdict in (INCONCLUSIVE, "convention") else "bad"


@dataclass(frozen=True, slots=True)
class Listed:
    """A case as the page lists it."""

    probed: Probed
    counts: sentences.Counts
    origin: sentences.Origin
    cells: list[Cell]
    left: int


def _case(probed: Probed, audit: Audit) -> Listed:
    cells = sentences.listed_cells(probed.cells, MOST_ROWS, MOST_ROWS // 2)
    return Listed(
        probed,
        sentences.counts(probed),
        sentences.origin_of(probed.case, audit.declared),
        cells,
        len(probed.cells) - len(cells),
    )


def _web(seen: Seen) -> str:
    """Return an address that may stand behind a link; empty for any other."""
    return seen.url if seen.url.startswith(("https://", "http://")) else ""


@cache
def _template() -> Template:
    tools: dict[str, Callable[..., Any]] = {
        "exact": sentences.exact,
        "short": short,
        "digits": sentences.digits,
        "counted": sentences.count_of,
        "explains": sentences.explains,
        "listed": sentences.joined_words,
        "bug": sentences.bug,
        "mistakes": sentences.mistakes,
        "group_words": sentences.group_words,
        "precision": sentences.precision,
        "one_line": one_line,
        "printable": printable,
        "why": sentences.why,
        "share": sentences.share_in_words,
        "web": _web,
    }
    folder = Path(__file__).parent / "templates"
    return page_template(folder, "audit.html.jinja", tools, {"status_words": sentences.STATUS})
