"""Finding the forward pass of a network in a sheet, by following its formulas.

A pre-activation is a sum of products of incoming cells and typed ones; the incoming cells
of the first layer are typed too. What the nodes of one sample have in common is what comes
in, what the samples have in common are weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from cellgrad.xlsx.addresses import Place
from cellgrad_audit.foreign.following import (
    Formulas,
    Product,
    activation_of,
    places_in,
    softmax_of,
)
from cellgrad_audit.foreign.placement import place_of
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.terms import Term

Choose = Callable[[str, Sequence[str]], int]
"""Asks a question with several answers, the best first; returns the number of one."""

_PAIR = 2
_MOST_LAYERS = 20
_ONE = Fraction(1)


@dataclass(slots=True)
class Node:
    """A node in one sample.

    Attributes:
        key: the cell by which it is known: its pre-activation, or else its post-activation.
        pre: the cell of its pre-activation; None where only the post-activation is shown.
        products: the sum that is its pre-activation.
        post: cells with its post-activation, the first the best.
        activation: its name; empty if none was found.
        slope: of a leaky ReLU.
    """

    key: Place
    pre: Place | None
    products: list[Product]
    post: list[Place] = field(default_factory=list)
    activation: str = ""
    slope: float = 0.0


@dataclass(slots=True)
class Forward:
    """A forward pass.

    Attributes:
        layers: for each weight layer and sample its nodes in order.
        inputs: for each sample its input cells.
        weights: for each layer, by node of origin and of destination.
        biases: for each layer; None if there are none.
        activations: a layer each.
        slope: of leaky ReLUs.
        targets: for each sample; empty if they were not found.
    """

    layers: list[list[list[Node]]]
    inputs: list[list[Place]]
    weights: list[list[list[Place]]]
    biases: list[list[Place]] | None
    activations: list[str]
    slope: float = 0.0
    targets: list[list[Place]] = field(default_factory=list)

    @property
    def nodes(self) -> list[int]:
        """Number of nodes, layer by layer."""
        return [len(self.inputs[0]), *(len(layer[0]) for layer in self.layers)]

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return len(self.inputs)


class NotFoundError(Exception):
    """No forward pass was found; the text says how far it went."""


def find_forward(
    formulas: Formulas,
    choose: Choose,
    nodes: Sequence[int] | None = None,
    sheet: str | None = None,
) -> Forward:
    """Return the forward pass of a workbook.

    Args:
        formulas: the workbook.
        choose: asks where several fit.
        nodes: the network's layers, if they are known.
        sheet: the sheet on which it is looked for; None for all of them together.

    Raises:
        NotFoundError: none was found.
    """
    try:
        return _Search(formulas, choose, nodes, sheet).result()
    except (IndexError, KeyError, ValueError, TypeError) as error:
        # formulas of any kind come here: what does not fit together is no network
        raise NotFoundError("its sums of products do not make layers") from error


class _Search:
    def __init__(
        self, formulas: Formulas, choose: Choose, nodes: Sequence[int] | None, sheet: str | None
    ) -> None:
        self.f, self.choose, self.wanted = formulas, choose, nodes
        self.terms = {
            place: term
            for place, term in formulas.terms.items()
            if sheet in (None, place[0]) and not formulas.typed(place)
        }
        self.incoming: dict[Place, Node] = {}
        """Cells that enter the next layer, and their nodes."""

    def result(self) -> Forward:
        levels = self._levels()
        groups = self._groups(levels)
        forward = self._assembled(groups)
        forward.targets = self._targets(forward)
        return forward

    # layers

    def _levels(self) -> list[dict[Place, Node]]:
        levels: list[dict[Place, Node]] = []
        known: set[Place] = set()
        while len(levels) < _MOST_LAYERS:
            found = self._level(first=not levels, known=known)
            if not found:
                break
            levels.append(found)
            known |= set(found)
            self.incoming = {
                place: node for node in found.values() for place in node.post or [node.key]
            }
            known |= set(self.incoming)
        if not levels:
            raise NotFoundError("no cell is a sum of products of typed numbers")
        if self.wanted:
            levels = levels[: len(self.wanted) - 1]
        return levels

    def _level(self, *, first: bool, known: set[Place]) -> dict[Place, Node]:
        found: dict[Place, Node] = {}
        for place, term in self.terms.items():
            if place in known:
                continue
            products = self._dot(term, first=first)
            if products:
                found[place] = Node(place, place, products)
            elif products is None:
                inner = self._fused(term, first=first)
                if inner:
                    found[place] = Node(place, None, inner[0], [place], inner[1], inner[2])
        self._activate(found)
        active = {place: node for place, node in found.items() if node.activation}
        if active:
            return _without_parts(self.f, active)
        # identity outputs: whole sums that other formulas read, not the parts of them
        return _without_parts(self.f, found)

    def _dot(self, term: Term, *, first: bool) -> list[Product] | None:
        """Return the products of a pre-activation; an empty list for other sums."""
        if term[0] == "leaf":
            return []
        products = self.f.products(term, self.incoming)
        if products is None:
            return None
        pairs = 0
        for coefficient, cells in products:
            if coefficient != _ONE or not 1 <= len(cells) <= _PAIR:
                return []
            entering = [cell for cell in cells if cell in self.incoming]
            others = [cell for cell in cells if cell not in self.incoming]
            if not all(self.f.typed(cell) for cell in others) or len(entering) > 1:
                return []
            if len(cells) == 1 and entering:
                return []
            pairs += len(cells) == _PAIR and (first or bool(entering))
        return products if pairs else []

    def _fused(self, term: Term, *, first: bool) -> tuple[list[Product], str, float] | None:
        """Return the sum inside an activation, where one cell holds both."""
        inner = self._sums_in(term, first=first)
        if not inner or any(part != inner[0] for part in inner):
            return None
        mark: Place = ("", 0, 0)
        outer = _replaced(term, inner[0], terms.leaf(terms.elsewhere(mark)))
        if set(places_in(outer)) != {mark}:
            return None
        alone = Formulas(self.f.foreign, {mark: terms.ZERO, ("", 0, 1): outer})
        name, slope = activation_of(alone, ("", 0, 1), mark)
        products = self._dot(inner[0], first=first)
        return (products, name, slope) if name and name != "identity" and products else None

    def _sums_in(self, term: Term, *, first: bool) -> list[Term]:
        """Return the largest sums of products inside a term."""
        found, stack = [], list(terms.operands(term))
        while stack:
            top = stack.pop()
            if self._dot(top, first=first):
                found.append(top)
            else:
                stack += terms.operands(top)
        return found

    def _activate(self, found: dict[Place, Node]) -> None:
        """Find the cells that are activations of pre-activations."""
        several: dict[frozenset[Place], list[Place]] = {}
        for place, term in self.terms.items():
            if place in found:
                continue
            roots = self.f.roots(place, found) or self._slope_aside(place, found)
            if not roots:
                continue
            if len(roots) > 1:
                several.setdefault(roots, []).append(place)
                continue
            self._activate_one(found[next(iter(roots))], place, copied=term[0] == "leaf")
        for roots, cells in several.items():
            for place in cells:
                of = softmax_of(self.f, place, sorted(roots))
                if of is not None and found[of].activation in ("", "softmax"):
                    found[of].activation = "softmax"
                    found[of].post.append(place)

    def _activate_one(self, node: Node, place: Place, *, copied: bool) -> None:
        name, slope = activation_of(self.f, place, node.key)
        if name in ("", "identity") or node.pre is None or node.activation not in ("", name):
            return
        node.activation, node.slope = name, slope
        node.post.insert(len(node.post) if copied else _first_copy(self.f, node), place)

    def _slope_aside(self, place: Place, found: dict[Place, Node]) -> frozenset[Place] | None:
        """Return the root of a leaky ReLU whose slope stands in a typed cell."""
        read = set(places_in(self.f.terms[place]))
        inside = read & set(found)
        rest = read - inside
        if len(inside) == 1 and len(rest) == 1 and all(self.f.typed(cell) for cell in rest):
            return frozenset(inside)
        return None

    # samples and nodes

    def _groups(self, levels: list[dict[Place, Node]]) -> list[list[list[Node]]]:
        """Return for each layer and sample its nodes in order."""
        if len(levels) == 1:
            return [self._alone(list(levels[0].values()))]
        owner: list[dict[Place, Node]] = []
        for level in levels:
            table = {}
            for node in level.values():
                for place in node.post or [node.key]:
                    table[place] = node
            owner.append(table)
        last = len(levels) - 1
        # the samples of the last layer: nodes that read the same nodes
        groups: list[list[list[Node]]] = [[] for _ in levels]
        by_source: dict[frozenset[Place], list[Node]] = {}
        for node in levels[last].values():
            source = frozenset(
                owner[last - 1][cell].key
                for _, cells in node.products
                for cell in cells
                if cell in owner[last - 1]
            )
            by_source.setdefault(source, []).append(node)
        chains = sorted(by_source.values(), key=lambda nodes: min(_at(n.key) for n in nodes))
        for nodes in chains:
            groups[last].append(sorted(nodes, key=lambda n: _at(n.key)))
        for k in range(last, 0, -1):
            for nodes in groups[k]:
                ordered = dict.fromkeys(
                    owner[k - 1][cell].key
                    for _, cells in nodes[0].products
                    for cell in cells
                    if cell in owner[k - 1]
                )
                groups[k - 1].append([levels[k - 1][key] for key in ordered])
        return groups

    def _alone(self, nodes: list[Node]) -> list[list[Node]]:
        """Return the nodes of each sample of a network without hidden layers."""
        sides: list[Counter[tuple[Place, ...]]] = [Counter(), Counter()]
        for node in nodes:
            pairs = [cells for _, cells in node.products if len(cells) == _PAIR]
            for side in range(2):
                sides[side][tuple(cells[side] for cells in pairs)] += 1
        left, right = len(sides[0]), len(sides[1])
        if left * right != len(nodes):
            raise NotFoundError(
                f"{len(nodes)} sums of products, but they are no table of samples and nodes"
            )
        samples_left = 0
        if self.wanted and left != right:
            samples_left = 0 if right == self.wanted[-1] else 1
        else:
            first = next(iter(sides[0]))[0]
            other = next(iter(sides[1]))[0]
            options = [
                f"inputs at {_name(first)}, weights at {_name(other)}",
                f"inputs at {_name(other)}, weights at {_name(first)}",
            ]
            best = int(_label_says_weight(self.f, first) or _label_says_input(self.f, other))
            order = [best, 1 - best]
            chosen = self.choose("Which are the inputs?", [options[n] for n in order])
            samples_left = order[chosen]
        side = samples_left
        by_input: dict[tuple[Place, ...], list[Node]] = {}
        for node in sorted(nodes, key=lambda n: _at(n.key)):
            pairs = [cells for _, cells in node.products if len(cells) == _PAIR]
            by_input.setdefault(tuple(cells[side] for cells in pairs), []).append(node)
        self._input_cells = {cell for cells in by_input for cell in cells}
        return list(by_input.values())

    # inputs, weights, biases

    def _assembled(self, groups: list[list[list[Node]]]) -> Forward:
        sizes = [{len(nodes) for nodes in layer} for layer in groups]
        if any(len(size) != 1 for size in sizes):
            raise NotFoundError("samples have different numbers of nodes")
        weights, biases, inputs = [], [], []
        for k, layer in enumerate(groups):
            if k == 0:
                entering = [self._inputs(groups, s) for s in range(len(layer))]
                if len({len(cells) for cells in entering}) > 1:
                    raise NotFoundError("samples have different numbers of inputs")
                entering, bias_rows = self._ones(entering, layer, groups)
                inputs = entering
            else:
                entering = [[node.key for node in nodes] for nodes in groups[k - 1]]
                bias_rows = [None] * len(layer)
            table, bias = self._parameters(layer, entering, bias_rows, groups[k - 1] if k else None)
            weights.append(table)
            biases.append(bias)
        if any(biases) and not all(biases):
            raise NotFoundError("some layers have biases, others have none")
        activations = [layer[0][0].activation or "identity" for layer in groups]
        slope = next((n.slope for layer in groups for n in layer[0] if n.slope), 0.0)
        return Forward(groups, inputs, weights, biases if all(biases) else None, activations, slope)

    def _inputs(self, groups: list[list[list[Node]]], s: int) -> list[Place]:
        """Return the cells that enter the first layer in a sample, in order."""
        nodes = groups[0][s]
        pairs = [[cells for _, cells in node.products if len(cells) == _PAIR] for node in nodes]
        given = getattr(self, "_input_cells", None)
        if given is None and len(nodes) > 1:
            common = set.intersection(*(set(_flat(p)) for p in pairs))
            given = common
        elif given is None and len(groups[0]) > 1:
            shared = set.intersection(*(
                {cell for _, cells in other[0].products for cell in cells} for other in groups[0]
            ))  # fmt: skip
            given = set(_flat(pairs[0])) - shared
        elif given is None:
            first, other = pairs[0][0]
            options = [
                f"inputs at {_name(first)}, weights at {_name(other)}",
                f"inputs at {_name(other)}, weights at {_name(first)}",
            ]
            best = int(_label_says_weight(self.f, first) or _label_says_input(self.f, other))
            order = [best, 1 - best]
            side = order[self.choose("Which are the inputs?", [options[n] for n in order])]
            given = {cells[side] for cells in pairs[0]}
        found = []
        for cells in pairs[0]:
            inside = [cell for cell in cells if cell in given]
            if len(inside) != 1:
                raise NotFoundError("inputs and weights of the first layer cannot be told apart")
            found.append(inside[0])
        return found

    def _ones(
        self, entering: list[list[Place]], layer: list[list[Node]], groups: list[list[list[Node]]]
    ) -> tuple[list[list[Place]], list[Place | None]]:
        """Tell an input that is always 1 from a bias."""
        none: list[Place | None] = [None] * len(entering)
        plain = any(len(cells) == 1 for _, cells in layer[0][0].products)
        count = len(entering[0])
        always = [
            i for i in (count - 1, 0)
            if count > 1 and all(self.f.number(cells[i]) == 1.0 for cells in entering)
        ]  # fmt: skip
        if plain or not always:
            return entering, none
        i = always[0]
        biased = len(groups) > 1 and any(
            len(cells) == 1 or not any(cell in self._posts(groups[0]) for cell in cells)
            for _, cells in groups[1][0][0].products
        )
        if self.wanted:
            is_bias = self.wanted[0] == count - 1
        else:
            weight = self._other(layer[0][0], entering[0][i])
            best = biased or _label_says_bias(self.f, weight)
            options = ["it stands for the bias", "it is an input like the others"]
            order = [0, 1] if best else [1, 0]
            question = f"{_name(entering[0][i])} is 1 in every sample:"
            is_bias = order[self.choose(question, [options[n] for n in order])] == 0
        if not is_bias:
            return entering, none
        ones: list[Place | None] = [cells[i] for cells in entering]
        return [cells[:i] + cells[i + 1 :] for cells in entering], ones

    @staticmethod
    def _posts(layer: list[list[Node]]) -> set[Place]:
        return {place for nodes in layer for node in nodes for place in node.post or [node.key]}

    @staticmethod
    def _other(node: Node, cell: Place) -> Place:
        for _, cells in node.products:
            if len(cells) == _PAIR and cell in cells:
                return cells[1] if cells[0] == cell else cells[0]
        return cell

    def _parameters(
        self,
        layer: list[list[Node]],
        entering: list[list[Place]],
        ones: list[Place | None],
        below: list[list[Node]] | None,
    ) -> tuple[list[list[Place]], list[Place]]:
        table: list[list[Place]] | None = None
        bias: list[Place] | None = None
        for s, nodes in enumerate(layer):
            alias = {cell: cell for cell in entering[s]}
            if below is not None:
                alias = {place: node.key for node in below[s] for place in node.post or [node.key]}
            columns, row = [], []
            shared = set.intersection(*(
                set(_flat([cells for _, cells in node.products])) for node in nodes
            )) if len(nodes) > 1 else set()  # fmt: skip
            for node in nodes:
                by_source: dict[Place, Place] = {}
                for _, cells in node.products:
                    source = [cell for cell in cells if cell in alias]
                    if source and len(cells) == _PAIR:
                        other = cells[1] if cells[0] == source[0] else cells[0]
                        by_source[alias[source[0]]] = other
                        continue
                    rest = [cell for cell in cells if cell != ones[s]]
                    if len(rest) == _PAIR:
                        rest = self._without_one(rest, shared)
                    row.append(rest[0])
                if set(by_source) != set(entering[s]):
                    raise NotFoundError("nodes of one layer do not read the same cells")
                columns.append([by_source[cell] for cell in entering[s]])
            if len(row) not in (0, len(nodes)):
                raise NotFoundError("some nodes of a layer have biases, others have none")
            now = [list(cells) for cells in zip(*columns, strict=True)]
            if table is not None and (now != table or row != bias):
                raise NotFoundError("the samples do not share their weights")
            table, bias = now, row
        return table or [], bias or []

    def _without_one(self, cells: list[Place], shared: set[Place]) -> list[Place]:
        """Return a bias without the typed 1 that it is multiplied with."""
        ones = [cell for cell in cells if self.f.number(cell) == 1.0]
        if len(ones) > 1:
            ones = [cell for cell in ones if cell in shared] or ones
        if not ones:
            raise NotFoundError("a product of typed numbers is neither input nor bias")
        return [cell for cell in cells if cell != ones[0]]

    # targets

    def _targets(self, forward: Forward) -> list[list[Place]]:
        outputs: dict[Place, tuple[int, int]] = {}
        for s, nodes in enumerate(forward.layers[-1]):
            for o, node in enumerate(nodes):
                for place in node.post or [node.key]:
                    outputs[place] = (s, o)
        used = set(_flat(forward.inputs)) | set(_flat(forward.biases or []))
        used |= {cell for layer in forward.weights for cell in _flat(layer)}
        found: dict[tuple[int, int], Counter[Place]] = {}
        for part in (part for term in self.terms.values() for part in _parts(term)):
            cells = set(places_in(part))
            if len(cells) != _PAIR:
                continue
            out = [cell for cell in cells if cell in outputs]
            new = [cell for cell in cells if self.f.typed(cell) and cell not in used]
            if len(out) == 1 and len(new) == 1:
                found.setdefault(outputs[out[0]], Counter())[new[0]] += 1
        if len(found) < forward.samples * forward.nodes[-1]:
            return []
        return [
            [found[s, o].most_common(1)[0][0] for o in range(forward.nodes[-1])]
            for s in range(forward.samples)
        ]


def _without_parts(formulas: Formulas, found: dict[Place, Node]) -> dict[Place, Node]:
    """Leave out sums that are only parts of other sums."""
    parts: set[Place] = set()
    for place in found:
        stack = list(places_in(formulas.terms[place]))
        while stack:
            top = stack.pop()
            if top in parts or formulas.typed(top):
                continue
            parts.add(top)
            stack += places_in(formulas.terms.get(top, terms.ZERO))
    whole = {place: node for place, node in found.items() if place not in parts}
    return whole if len(whole) < len(found) and whole else found


def _first_copy(formulas: Formulas, node: Node) -> int:
    for n, place in enumerate(node.post):
        if formulas.terms[place][0] == "leaf":
            return n
    return len(node.post)


def _parts(term: Term) -> Iterable[Term]:
    stack = [term]
    while stack:
        top = stack.pop()
        yield top
        stack += terms.operands(top)


def _replaced(term: Term, old: Term, new: Term) -> Term:
    if term == old:
        return new
    kind = term[0]
    if kind in ("sum", "product", "all"):
        return (kind, tuple(_replaced(part, old, new) for part in term[1]))
    if kind == "call":
        return (kind, term[1], tuple(_replaced(part, old, new) for part in term[2]))
    if kind == "compare":
        return (kind, term[1], *(_replaced(part, old, new) for part in term[2:]))
    if kind in ("quotient", "if"):
        return (kind, *(_replaced(part, old, new) for part in term[1:]))
    return term


def _flat(rows: Iterable[Iterable[Place]]) -> list[Place]:
    return [cell for row in rows for cell in row]


def _at(place: Place) -> Place:
    return place


def _name(place: Place) -> str:
    return place_of(place)


def label_near(formulas: Formulas, place: Place) -> str:
    """Return the text that stands nearest above or left of a cell, lower case."""
    sheet, row, column = place
    for distance in range(1, 8):
        for at in ((row - distance, column), (row, column - distance)):
            value = formulas.foreign.value((sheet, *at)) if min(at) > 0 else None
            if isinstance(value, str) and any(c.isalpha() for c in value):
                return value.strip().lower()
    return ""


def _label_says_weight(formulas: Formulas, place: Place) -> bool:
    return label_near(formulas, place).startswith(("w", "θ", "theta"))


def _label_says_input(formulas: Formulas, place: Place) -> bool:
    return label_near(formulas, place).startswith(("x", "in", "sample"))


def _label_says_bias(formulas: Formulas, place: Place) -> bool:
    return label_near(formulas, place).startswith(("b", "wb", "w0"))
