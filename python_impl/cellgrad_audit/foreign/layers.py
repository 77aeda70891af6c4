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

from cellgrad.xlsx.addresses import Place, place_text
from cellgrad_audit.foreign import (
    Formulas,
    Product,
    activation_of,
    label_near,
    places_in,
    softmax_of,
)
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.terms import Term

Choose = Callable[[str, Sequence[str]], int]
"""Asks a question with several answers, the best first; returns the number of one."""

_MOST_LAYERS = 20
_ONE = Fraction(1)

_WEIGHT, _INPUT, _BIAS = ("w", "θ", "theta"), ("x", "in", "sample"), ("b", "wb", "w0")
"""How labels of such cells begin, lower case."""


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

    @property
    def outgoing(self) -> list[Place]:
        """The cells by which others may read it."""
        return self.post or [self.key]

    @property
    def pairs(self) -> list[tuple[Place, ...]]:
        """The products of two cells."""
        return [cells for _, cells in self.products if len(cells) == 2]

    @property
    def reads(self) -> list[Place]:
        """Every cell of the sum."""
        return [cell for _, cells in self.products for cell in cells]


Layer = list[list[Node]]
"""The nodes of a weight layer, for each sample in order."""


def _owners(nodes: Iterable[Node]) -> dict[Place, Node]:
    """Return the node that stands behind each outgoing cell."""
    return {place: node for node in nodes for place in node.outgoing}


@dataclass(slots=True)
class Forward:
    """A forward pass.

    Attributes:
        layers: weight layer by weight layer.
        inputs: for each sample its input cells.
        weights: for each layer, by node of origin and of destination.
        biases: for each layer; None if there are none.
        activations: a layer each.
        slope: of leaky ReLUs.
        targets: for each sample; empty if they were not found.
    """

    layers: list[Layer]
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
        self.input_cells: set[Place] | None = None
        """The inputs of a network of one layer, once they are known."""

    def result(self) -> Forward:
        levels = self._levels()
        layers = (
            self._layers(levels) if len(levels) > 1 else [self._alone(list(levels[0].values()))]
        )
        forward = self._assembled(layers)
        forward.targets = self._targets(forward)
        return forward

    # layers

    def _levels(self) -> list[dict[Place, Node]]:
        levels: list[dict[Place, Node]] = []
        known: set[Place] = set()
        while len(levels) < _MOST_LAYERS:
            level = self._level(first=not levels, known=known)
            if not level:
                break
            levels.append(level)
            self.incoming = _owners(level.values())
            known |= {*level, *self.incoming}
        if not levels:
            raise NotFoundError("no cell is a sum of products of typed numbers")
        return levels[: len(self.wanted) - 1] if self.wanted else levels

    def _level(self, *, first: bool, known: set[Place]) -> dict[Place, Node]:
        nodes: dict[Place, Node] = {}
        for place, term in self.terms.items():
            if place in known:
                continue
            products = self._dot(term, first=first)
            if products:
                nodes[place] = Node(place, place, products)
            elif products is None:
                node = self._fused(place, term, first=first)
                if node is not None:
                    nodes[place] = node
        self._activate(nodes)
        active = {place: node for place, node in nodes.items() if node.activation}
        if active:
            return _without_parts(self.f, active)
        # identity outputs: whole sums that other formulas read, not the parts of them
        return _without_parts(self.f, nodes)

    def _dot(self, term: Term, *, first: bool) -> list[Product] | None:
        """Return the products of a pre-activation; an empty list for other sums."""
        if term[0] == "leaf":
            return []
        products = self.f.products(term, self.incoming)
        if products is None:
            return None
        pairs = 0
        for coefficient, cells in products:
            if coefficient != _ONE or not 1 <= len(cells) <= 2:
                return []
            entering = [cell for cell in cells if cell in self.incoming]
            others = [cell for cell in cells if cell not in self.incoming]
            if not all(self.f.typed(cell) for cell in others) or len(entering) > 1:
                return []
            if len(cells) == 1 and entering:
                return []
            pairs += len(cells) == 2 and (first or bool(entering))
        return products if pairs else []

    def _fused(self, place: Place, term: Term, *, first: bool) -> Node | None:
        """Return the node of a cell that holds both sum and activation."""
        inner = self._sums_in(term, first=first)
        if not inner or any(part != inner[0] for part in inner):
            return None
        mark: Place = ("", 0, 0)
        outer = terms.replaced(term, inner[0], terms.leaf(terms.elsewhere(mark)))
        if set(places_in(outer)) != {mark}:
            return None
        alone = Formulas(self.f.foreign, {mark: terms.ZERO, ("", 0, 1): outer})
        name, slope = activation_of(alone, ("", 0, 1), mark)
        products = self._dot(inner[0], first=first)
        if not products or name in ("", "identity"):
            return None
        return Node(place, None, products, [place], name, slope)

    def _sums_in(self, term: Term, *, first: bool) -> list[Term]:
        """Return the largest sums of products inside a term."""
        sums, stack = [], list(terms.operands(term))
        while stack:
            top = stack.pop()
            if self._dot(top, first=first):
                sums.append(top)
            else:
                stack += terms.operands(top)
        return sums

    def _activate(self, nodes: dict[Place, Node]) -> None:
        """Find the cells that are activations of pre-activations."""
        several: dict[frozenset[Place], list[Place]] = {}
        for place, term in self.terms.items():
            if place in nodes:
                continue
            roots = self.f.roots(place, nodes) or self._slope_aside(place, nodes)
            if not roots:
                continue
            if len(roots) > 1:
                several.setdefault(roots, []).append(place)
                continue
            self._activate_one(nodes[next(iter(roots))], place, copied=term[0] == "leaf")
        for roots, cells in several.items():
            for place in cells:
                of = softmax_of(self.f, place, sorted(roots))
                if of is not None and nodes[of].activation in ("", "softmax"):
                    nodes[of].activation = "softmax"
                    nodes[of].post.append(place)

    def _activate_one(self, node: Node, place: Place, *, copied: bool) -> None:
        name, slope = activation_of(self.f, place, node.key)
        if name in ("", "identity") or node.pre is None or node.activation not in ("", name):
            return
        node.activation, node.slope = name, slope
        node.post.insert(len(node.post) if copied else _first_copy(self.f, node), place)

    def _slope_aside(self, place: Place, nodes: dict[Place, Node]) -> frozenset[Place] | None:
        """Return the root of a leaky ReLU whose slope stands in a typed cell."""
        read = set(places_in(self.f.terms[place]))
        inside = read & set(nodes)
        rest = read - inside
        if len(inside) == 1 and len(rest) == 1 and all(self.f.typed(cell) for cell in rest):
            return frozenset(inside)
        return None

    # samples and nodes

    def _layers(self, levels: list[dict[Place, Node]]) -> list[Layer]:
        """Return the nodes of each layer by sample: those of one sample read the same nodes."""
        owners = [_owners(level.values()) for level in levels]

        def sources(node: Node, k: int) -> dict[Place, Node]:
            below = [owners[k - 1][cell] for cell in node.reads if cell in owners[k - 1]]
            return {source.key: source for source in below}

        last = len(levels) - 1
        samples: dict[frozenset[Place], list[Node]] = {}
        for _, node in sorted(levels[last].items()):
            samples.setdefault(frozenset(sources(node, last)), []).append(node)
        layers = [list(samples.values())]
        for k in range(last, 0, -1):
            layers.insert(0, [list(sources(nodes[0], k).values()) for nodes in layers[0]])
        return layers

    def _alone(self, nodes: list[Node]) -> Layer:
        """Return the nodes of each sample of a network without hidden layers."""
        sides = [Counter(tuple(pair[side] for pair in node.pairs) for node in nodes)
                 for side in range(2)]  # fmt: skip
        left, right = map(len, sides)
        if left * right != len(nodes):
            raise NotFoundError(
                f"{len(nodes)} sums of products, but they are no table of samples and nodes"
            )
        if self.wanted and left != right:
            side = 0 if right == self.wanted[-1] else 1
        else:
            side = self._ask_inputs(*(next(iter(cells))[0] for cells in sides))
        by_input: dict[tuple[Place, ...], list[Node]] = {}
        for node in sorted(nodes, key=lambda node: node.key):
            by_input.setdefault(tuple(pair[side] for pair in node.pairs), []).append(node)
        self.input_cells = {cell for cells in by_input for cell in cells}
        return list(by_input.values())

    def _ask_inputs(self, first: Place, other: Place) -> int:
        """Return which of two factors is the input: 0 or 1."""
        options = [
            f"inputs at {place_text(first)}, weights at {place_text(other)}",
            f"inputs at {place_text(other)}, weights at {place_text(first)}",
        ]
        best = int(self._label_begins(first, _WEIGHT) or self._label_begins(other, _INPUT))
        order = [best, 1 - best]
        return order[self.choose("Which are the inputs?", [options[n] for n in order])]

    def _label_begins(self, place: Place, beginnings: tuple[str, ...]) -> bool:
        return label_near(self.f, place).startswith(beginnings)

    # inputs, weights, biases

    def _assembled(self, layers: list[Layer]) -> Forward:
        if any(len({len(nodes) for nodes in layer}) != 1 for layer in layers):
            raise NotFoundError("samples have different numbers of nodes")
        inputs = [self._inputs(layers[0], nodes) for nodes in layers[0]]
        if len({len(cells) for cells in inputs}) > 1:
            raise NotFoundError("samples have different numbers of inputs")
        inputs, ones = self._ones(inputs, layers)
        weights, biases = [], []
        for k, layer in enumerate(layers):
            if k:
                entering = [[node.key for node in nodes] for nodes in layers[k - 1]]
                aliases = [
                    {cell: node.key for cell, node in _owners(nodes).items()}
                    for nodes in layers[k - 1]
                ]
            else:
                entering = inputs
                aliases = [{cell: cell for cell in cells} for cells in inputs]
            table, bias = self._parameters(layer, entering, aliases, set() if k else ones)
            weights.append(table)
            biases.append(bias)
        if any(biases) and not all(biases):
            raise NotFoundError("some layers have biases, others have none")
        activations = [layer[0][0].activation or "identity" for layer in layers]
        slope = next((node.slope for layer in layers for node in layer[0] if node.slope), 0.0)
        return Forward(layers, inputs, weights, biases if all(biases) else None, activations, slope)

    def _inputs(self, layer: Layer, nodes: list[Node]) -> list[Place]:
        """Return the cells that enter the first layer in a sample, in order."""
        pairs = nodes[0].pairs
        given = self.input_cells
        if given is None and len(nodes) > 1:
            given = _common(_flat(node.pairs) for node in nodes)
        elif given is None and len(layer) > 1:
            given = set(_flat(pairs)) - _common(other[0].reads for other in layer)
        elif given is None:
            first, other = pairs[0]
            side = self._ask_inputs(first, other)
            given = {cells[side] for cells in pairs}
        inputs = []
        for cells in pairs:
            inside = [cell for cell in cells if cell in given]
            if len(inside) != 1:
                raise NotFoundError("inputs and weights of the first layer cannot be told apart")
            inputs.append(inside[0])
        return inputs

    def _ones(
        self, entering: list[list[Place]], layers: list[Layer]
    ) -> tuple[list[list[Place]], set[Place]]:
        """Tell an input that is always 1 from a bias; return the inputs, and what stands for 1."""
        first = layers[0][0][0]
        count = len(entering[0])
        always = [
            i
            for i in (count - 1, 0)
            if count > 1 and all(self.f.number(cells[i]) == 1.0 for cells in entering)
        ]
        if any(len(cells) == 1 for _, cells in first.products) or not always:
            return entering, set()
        i = always[0]
        if self.wanted:
            is_bias = self.wanted[0] == count - 1
        else:
            one = entering[0][i]
            weight = next((_other(pair, one) for pair in first.pairs if one in pair), one)
            likely = self._is_biased(layers) or self._label_begins(weight, _BIAS)
            options = ["it stands for the bias", "it is an input like the others"]
            order = [0, 1] if likely else [1, 0]
            question = f"{place_text(one)} is 1 in every sample:"
            is_bias = order[self.choose(question, [options[n] for n in order])] == 0
        if not is_bias:
            return entering, set()
        ones = {cells[i] for cells in entering}
        return [cells[:i] + cells[i + 1 :] for cells in entering], ones

    @staticmethod
    def _is_biased(layers: list[Layer]) -> bool:
        """Tell whether the second layer has biases."""
        if len(layers) < 2:
            return False
        entering = _owners(node for nodes in layers[0] for node in nodes)
        return any(
            len(cells) == 1 or not any(cell in entering for cell in cells)
            for _, cells in layers[1][0][0].products
        )

    def _parameters(
        self,
        layer: Layer,
        entering: list[list[Place]],
        aliases: list[dict[Place, Place]],
        ones: set[Place],
    ) -> tuple[list[list[Place]], list[Place]]:
        """Return the weights of a layer by origin and destination, and its biases.

        Args:
            layer: its nodes.
            entering: for each sample what enters it, in order.
            aliases: for each sample the cells that enter it, by the cells that formulas read.
            ones: the inputs that stand for a 1.
        """
        tables = []
        for s, nodes in enumerate(layer):
            columns, biases = [], []
            shared = _common(node.reads for node in nodes) if len(nodes) > 1 else set()
            for node in nodes:
                by_source: dict[Place, Place] = {}
                for _, cells in node.products:
                    source = next((cell for cell in cells if cell in aliases[s]), None)
                    if source is not None and len(cells) == 2:
                        by_source[aliases[s][source]] = _other(cells, source)
                        continue
                    rest = [cell for cell in cells if cell not in ones]
                    if len(rest) == 2:
                        rest = self._without_one(rest, shared)
                    biases.append(rest[0])
                if set(by_source) != set(entering[s]):
                    raise NotFoundError("nodes of one layer do not read the same cells")
                columns.append([by_source[cell] for cell in entering[s]])
            if len(biases) not in (0, len(nodes)):
                raise NotFoundError("some nodes of a layer have biases, others have none")
            tables.append(([list(cells) for cells in zip(*columns, strict=True)], biases))
            if tables[s] != tables[0]:
                raise NotFoundError("the samples do not share their weights")
        return tables[0]

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
        """Return for each sample the typed cells that stand beside its outputs in formulas."""
        outputs = {
            place: (s, o)
            for s, nodes in enumerate(forward.layers[-1])
            for o, node in enumerate(nodes)
            for place in node.outgoing
        }
        used = {*_flat(forward.inputs), *_flat(forward.biases or [])}
        used |= {cell for layer in forward.weights for cell in _flat(layer)}
        beside: dict[tuple[int, int], Counter[Place]] = {at: Counter() for at in outputs.values()}
        for part in (part for term in self.terms.values() for part in terms.walk(term)):
            cells = set(places_in(part))
            if len(cells) != 2:
                continue
            out = [cell for cell in cells if cell in outputs]
            new = [cell for cell in cells if self.f.typed(cell) and cell not in used]
            if len(out) == len(new) == 1:
                beside[outputs[out[0]]][new[0]] += 1
        if not all(beside.values()):
            return []
        return [
            [beside[s, o].most_common(1)[0][0] for o in range(forward.nodes[-1])]
            for s in range(forward.samples)
        ]


def _without_parts(formulas: Formulas, nodes: dict[Place, Node]) -> dict[Place, Node]:
    """Leave out sums that are only parts of other sums."""
    parts: set[Place] = set()
    for place in nodes:
        stack = list(places_in(formulas.terms[place]))
        while stack:
            top = stack.pop()
            if top in parts or formulas.typed(top):
                continue
            parts.add(top)
            stack += places_in(formulas.terms.get(top, terms.ZERO))
    whole = {place: node for place, node in nodes.items() if place not in parts}
    return whole if len(whole) < len(nodes) and whole else nodes


def _first_copy(formulas: Formulas, node: Node) -> int:
    for n, place in enumerate(node.post):
        if formulas.terms[place][0] == "leaf":
            return n
    return len(node.post)


def _flat(rows: Iterable[Iterable[Place]]) -> list[Place]:
    return [cell for row in rows for cell in row]


def _common(groups: Iterable[Iterable[Place]]) -> set[Place]:
    return set.intersection(*map(set, groups))


def _other(pair: Sequence[Place], cell: Place) -> Place:
    """Return the other one of two cells."""
    return pair[1] if pair[0] == cell else pair[0]
