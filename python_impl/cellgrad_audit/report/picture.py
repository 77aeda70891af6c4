"""The network as a picture: where its nodes and weights stand, and which of them are lit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from cellgrad.case.model import Case
from cellgrad.case.quantities import Index, Key, layer_letter, node_name
from cellgrad.case.structure import Structure

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
    shown = [_shown(count) for count in structure.nodes]
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
            look = _look((layer, node), ((name, t.nodes) for name, t in looks))
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
                look = _look((k, i, j), ((name, t.edges) for name, t in looks))
                name = (
                    f"weight_{layer_letter(structure, k)}to{layer_letter(structure, k + 1)}"
                    f"[{i + 1},{j + 1}]"
                )
                edges.append(Edge(x1 + NODE, y1, x2 - NODE, y2, name, look))
    order = [PLAIN, WRONG, PATH, FIRST]
    edges.sort(key=lambda edge: order.index(edge.look))
    words = "A network of " + "-".join(str(n) for n in structure.nodes) + " nodes"
    return Picture(WIDTH, height, nodes, edges, captions, words)


def _look(at: object, looks: Iterable[tuple[str, set[NodeAt] | set[EdgeAt]]]) -> str:
    return next((name for name, touched in looks if at in touched), PLAIN)


def _shown(count: int) -> list[int | None]:
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
