"""A third gradient: complex-step differentiation of a scalar forward pass.

Standard library only: it shares no code with the workbook writer, the MLP or the
certification, and knows no equation of the backward pass. Piecewise linear activations are
differentiated on the piece where the pre-activation lies; the perceptron rule has nothing
to differentiate.
"""

import cmath
from pathlib import Path

import pytest
from hypothesis import given, settings

from cellgrad.xlsx.book import read_book
from cellgrad.xlsx.map_sheet import read_map
from drawn_cases import cases, step_of

TOP = Path(__file__).parents[2]
SERIES = sorted((TOP / "spreadsheets" / "series").glob("*.xlsx"))
H = 1e-30


def activation(name, z, slope):
    if name == "logistic":
        return 1 / (1 + cmath.exp(-z))
    if name == "tanh":
        return cmath.tanh(z)
    if name == "relu":
        return z if z.real > 0 else 0j
    if name == "leaky_relu":
        return z if z.real > 0 else slope * z
    return z


def error_of(network, loss, weights, biases, x, t):
    """E of one sample, in complex arithmetic."""
    layer = list(x)
    for k, name in enumerate(network["activations"]):
        pre = []
        for j in range(len(weights[k][0])):
            z = biases[k][j] if biases else 0j
            for i, value in enumerate(layer):
                z += value * weights[k][i][j]
            pre.append(complex(z))
        if name == "softmax":
            powers = [cmath.exp(z) for z in pre]
            layer = [p / sum(powers) for p in powers]
        else:
            layer = [activation(name, z, network["leaky_slope"]) for z in pre]
    pairs = list(zip(layer, t, strict=True))
    if loss == "binary_cross_entropy":
        return -sum(b * cmath.log(y) + (1 - b) * cmath.log(1 - y) for y, b in pairs)
    if loss == "categorical_cross_entropy":
        return -sum(b * cmath.log(y) for y, b in pairs)
    squares = sum((y - b) * (y - b) for y, b in pairs)
    return {"half_squared_error": squares / 2, "squared_error": squares}.get(
        loss, squares / len(pairs)
    )


def slopes(network, loss, weights, biases, samples, *, mean, decay=0.0):
    """Yield (weights or biases, layer, index, ∂E/∂parameter) for every parameter."""
    weights = [[list(row) for row in layer] for layer in weights]
    biases = [list(layer) for layer in biases] if biases else None

    def slope():
        total = sum(error_of(network, loss, weights, biases, x, t) for x, t in samples)
        return total.imag / H / (len(samples) if mean else 1)

    for k, layer in enumerate(weights):
        for i, row in enumerate(layer):
            for j, value in enumerate(row):
                row[j] = value + H * 1j
                yield "weights", k, (i, j), slope() + decay * value
                row[j] = value
        for j, value in enumerate(biases[k] if biases else ()):
            biases[k][j] = value + H * 1j
            yield "biases", k, (j,), slope()
            biases[k][j] = value


@settings(max_examples=120, deadline=None)
@given(cases())
def test_every_gradient_of_any_activation_and_loss(case):
    step = step_of(case)
    if not 0 <= step.forward.error < 1e3:  # saturated, or not a number
        return
    network, sign = case["network"], 1
    if case["conventions"]["error_sign"] != "output_minus_target":
        sign = -1
    samples = [(s["input"], s["target"]) for s in case["samples"]]
    found = slopes(
        network, case["loss"], network["weights"], network["biases"], samples,
        mean=case["update"] == "batch_mean", decay=case["optimizer"]["weight_decay"],
    )  # fmt: skip
    for name, k, index, slope in found:
        gradient = step.weight_gradient if name == "weights" else step.bias_gradient
        assert sign * slope == pytest.approx(gradient[k][index], rel=1e-9, abs=1e-11)


class Run:
    """A run as its sheet holds it, read without anything that computes."""

    def __init__(self, book, table, part):
        self.facts, self.table = table.parts[part], table
        self.book, self.part = book, part

    def values(self, name, layer=None, part=None):
        found = {}
        for claim in self.table.claims:
            if (claim.part, claim.quantity, claim.layer) != (part or self.part, name, layer):
                continue
            values = self.book.sheets[claim.cells.sheet].values
            for r in range(claim.cells.height):
                for c in range(claim.cells.width):
                    place = (claim.cells.top + r, claim.cells.left + c)
                    found[claim.rule.index(r, c)] = values.get(place)
        return found

    def parameters(self, row, nodes, kind):
        """Return what an update starts from, layer by layer."""
        found = []
        for k in range(len(nodes) - 1):
            start, left = self.values(f"start_{kind}", k), self.values(f"new_{kind}", k)
            if row:
                start = {index[1:]: value for index, value in left.items() if index[0] == row - 1}
            size = nodes[k + 1]
            if kind == "biases":
                found.append([start[j,] for j in range(size)])
            else:
                found.append([[start[i, j] for j in range(size)] for i in range(nodes[k])])
        return found

    def row(self, row):
        """Yield (gradient cell's value, ∂E/∂parameter) for every parameter of an update."""
        facts = self.facts
        nodes = [int(n) for n in facts["nodes"].split("-")]
        network = {
            "activations": facts["activations"].split(", "),
            "leaky_slope": next(iter(self.values("leaky_slope").values()), 0.0),
        }
        biased = facts["biases"] == "yes"
        inputs, targets = (
            {i: v for i, v in self.values(name).items() if i[0] == row and v is not None}
            for name in ("input", "target")
        )
        count = 1 + max(index[1] for index in inputs)
        samples = [
            ([inputs[row, n, c] for c in range(nodes[0])],
             [targets[row, n, c] for c in range(nodes[-1])])
            for n in range(count)
        ]  # fmt: skip
        decay = next(iter(self.values("weight_decay").values()), 0.0)
        sign = 1 if facts["error_sign"] == "output_minus_target" else -1
        for name, k, index, slope in slopes(
            network, facts["loss"], self.parameters(row, nodes, "weights"),
            self.parameters(row, nodes, "biases") if biased else None, samples,
            mean=facts["update"] == "batch_mean", decay=decay,
        ):  # fmt: skip
            kind = "weight_gradient" if name == "weights" else "bias_gradient"
            yield self.values(kind, k)[row, *index], sign * slope


def runs_of(path):
    book = read_book(path)
    table = read_map(book)
    for part, facts in table.parts.items():
        if facts["kind"] == "run" and facts["loss"] != "perceptron":
            yield Run(book, table, part)


def check_rows(path, every):
    rows = 0
    for run in runs_of(path):
        updates = int(run.facts["updates"])
        for row in range(0, updates, max(1, updates // every)):
            for held, slope in run.row(row):
                assert held == pytest.approx(slope, rel=1e-9, abs=1e-12), (run.part, row)
            rows += 1
    return rows


@pytest.mark.parametrize("path", SERIES, ids=lambda path: path.stem)
@pytest.mark.slow
def test_gradients_of_runs_row_by_row(path):
    if path.stat().st_size > 500_000:
        pytest.skip("in the slow part")
    check_rows(path, 5)


@pytest.mark.slow
def test_gradients_of_runs_in_every_workbook_and_more_rows():
    assert sum(check_rows(path, 20) for path in SERIES) > 200


def test_a_wrong_gradient_is_seen():
    (run,) = runs_of(TOP / "spreadsheets/series/12-training-program.xlsx")
    pairs = list(run.row(1))
    assert len(pairs) == 16
    wrong = list(run.row(1))
    held, slope = wrong[0]
    assert held * (1 + 1e-8) != pytest.approx(slope, rel=1e-9, abs=1e-12)


def test_the_standard_library_is_all_that_differentiates():
    import ast  # noqa: PLC0415 - only here

    tree = ast.parse(Path(__file__).read_text("utf-8"))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    assert not {"numpy", "mpmath", "sympy", "flint"} & names
    assert not [
        name
        for name in names
        if name.startswith(("cellgrad.mlp", "cellgrad.bounds", "cellgrad_proof"))
    ]
