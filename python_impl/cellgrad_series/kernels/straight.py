"""A network's training written out: one line of Python a node and a weight, no loops.

The source is made of whole numbers and words that stand below, never of a text from a
case, and follows the order of evaluation of reference/equations.md. As ``interpreted``
its variables are Python floats; as ``for_numba`` LLVM keeps them in registers.

Names: ``w3`` the parameter at place 3 of the flat vector, ``v3`` its velocity or first
moment, ``s3`` its second moment, ``g3`` its gradient over a batch; ``x0`` an input, ``t0``
a target, ``f0`` its final error; ``z1_0``, ``a1_0``, ``d1_0`` S_preA, S_postA and S_ERROR of
node 0 of layer 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cellgrad_series.kernels.plan import Plan

CONSTANTS = ("slope", "decay", "half", "momentum", "beta1", "beta2", "rest1", "rest2", "epsilon")
"""The numbers that stay the same, in the order of ``constants_of``."""

_TERMS_A_LINE = 30  # a long sum is a deep tree, and a compiler's recursion has limits


def constants_of(plan: Plan) -> tuple[float, ...]:
    """Return the values of ``CONSTANTS``."""
    chosen = plan.constants
    return (
        plan.slope,
        plan.decay,
        0.5 * plan.decay,
        chosen.momentum,
        chosen.beta1,
        chosen.beta2,
        1 - chosen.beta1,
        1 - chosen.beta2,
        chosen.epsilon,
    )


def interpreted(plan: Plan) -> str:
    """Write ``run(state, batches, rates, constants, note, exp, log, tanh, sqrt)``.

    ``batches`` yields a row of inputs and targets for every update where an update covers
    one sample, else a list of rows; ``rates`` yields learning rates, one an update if
    they are scheduled; ``note`` is called with every E. It returns the new state.
    """
    names, row = f"{', '.join(_state_names(plan))},", ", ".join(_row_names(plan))
    next_rate = ["rate = next(rates)"]
    if plan.batch == 1:
        loop, body = f"for {row} in batches:", [*_sample(plan), *_update(plan)]
    else:
        loop = "for batch in batches:"
        body = [
            "size = len(batch)",
            *_no_gradient_yet(plan),
            f"for {row} in batch:",
            *_indented(_sample_of_batch(plan)),
            *_update(plan),
        ]
    return _text(
        "def run(state, batches, rates, constants, note, exp, log, tanh, sqrt):",
        _indented(
            [
                f"{', '.join(CONSTANTS)} = constants",
                f"{names} = state",
                *([] if plan.scheduled else next_rate),
                loop,
                *_indented([*(next_rate if plan.scheduled else []), *body, "note(e)"]),
                f"return {names}",
            ]
        ),
    )


def for_numba(plan: Plan) -> str:
    """Write ``run(digest, state, rows, first, batch, rates, constants, errors)``.

    ``digest`` is for the compiler alone. It changes ``state`` in place, begins with the
    sample ``first`` of ``rows``, makes as many updates as there are ``rates``, and fills
    ``errors``. It needs exp, log, tanh and sqrt as globals. Its loops are ``while`` loops:
    numba cannot follow a ``for`` loop whose body is longer than a short jump.
    """
    names, row = _state_names(plan), _row_names(plan)
    load = [f"{name} = rows[i, {c}]" for c, name in enumerate(row)]
    if plan.batch == 1:
        body = [*load, *_sample(plan), *_update(plan), "i = i + 1"]
    else:
        body = [
            "last = min(i + batch, rows.shape[0])",
            "size = last - i",
            *_no_gradient_yet(plan),
            "while i < last:",
            *_indented([*load, *_sample_of_batch(plan), "i = i + 1"]),
            *_update(plan),
        ]
    return _text(
        "def run(digest, state, rows, first, batch, rates, constants, errors):",
        _indented(
            [
                *(f"{name} = constants[{c}]" for c, name in enumerate(CONSTANTS)),
                *(f"{name} = state[{c}]" for c, name in enumerate(names)),
                "i = first",
                "u = 0",
                "while u < rates.shape[0]:",
                *_indented(["rate = rates[u]", *body, "errors[u] = e", "u = u + 1"]),
                *_indented(["if i == rows.shape[0]:", " i = 0"]),
                *(f"state[{c}] = {name}" for c, name in enumerate(names)),
            ]
        ),
    )


def _text(head: str, lines: Iterable[str]) -> str:
    return "\n".join([head, *lines])


def _indented(lines: Iterable[str]) -> list[str]:
    return [f" {line}" for line in lines]


def _state_names(plan: Plan) -> list[str]:
    """Return the names of everything that an update changes: ``State`` laid end to end."""
    names = [f"w{p}" for p in range(plan.size)]
    if plan.optimizer != "sgd":
        names += [f"v{p}" for p in range(plan.moved)]
    if plan.optimizer == "adam":
        names += [f"s{p}" for p in range(plan.moved)]
    return [*names, "power1", "power2"]


def _row_names(plan: Plan) -> list[str]:
    inputs, outputs = plan.nodes[0], plan.nodes[-1]
    return [*(f"x{i}" for i in range(inputs)), *(f"t{o}" for o in range(outputs))]


def _post_names(plan: Plan, layer: int) -> list[str]:
    """Return the names of a layer's post-activations, or of the inputs."""
    if layer == 0:
        return [f"x{i}" for i in range(plan.nodes[0])]
    letter = "z" if plan.structure.activations[layer - 1] == "identity" else "a"
    return [f"{letter}{layer}_{j}" for j in range(plan.nodes[layer])]


def _sum(name: str, terms: list[str]) -> list[str]:
    """Write ``name = term + term + …``, from left to right, over several lines if need be."""
    first, *rest = (
        " + ".join(terms[n : n + _TERMS_A_LINE]) for n in range(0, len(terms), _TERMS_A_LINE)
    )
    return [f"{name} = {first}", *(f"{name} = {name} + {more}" for more in rest)]


# a sample


def _sample(plan: Plan) -> list[str]:
    """Eq. 1 to 12 for one sample; E of it is ``e``."""
    return [*_forward(plan), *_error(plan, "e"), *_signals(plan)]


def _sample_of_batch(plan: Plan) -> list[str]:
    """Add a sample's E and gradients to those of its batch."""
    gradients = (f"g{p} = g{p} + {product}" for p, product in enumerate(_products(plan)))
    return [
        *_forward(plan),
        *_error(plan, "e_sample"),
        "e = e + e_sample",
        *_signals(plan),
        *gradients,
    ]


def _no_gradient_yet(plan: Plan) -> list[str]:
    """−0.0 is the one number whose sum with any other is that other, its sign included."""
    return [f"{name} = -0.0" for name in ("e", *(f"g{p}" for p in range(plan.size)))]


def _forward(plan: Plan) -> Iterator[str]:
    """Eq. 1 to 4 and 17."""
    for k, activation in enumerate(plan.structure.activations):
        n, m = plan.nodes[k], plan.nodes[k + 1]
        incoming, start = _post_names(plan, k), plan.weight_starts[k]
        for j in range(m):
            terms = [f"{incoming[i]} * w{start + i * m + j}" for i in range(n)]
            if plan.bias_starts:
                terms.insert(0, f"w{plan.bias_starts[k] + j}")
            yield from _sum(f"z{k + 1}_{j}", terms)
        for j in range(m):
            yield from _activation(activation, f"{k + 1}_{j}")
        if activation == "softmax":
            yield from _sum("total", [f"q{j}" for j in range(m)])
            yield from (f"a{k + 1}_{j} = q{j} / total" for j in range(m))


def _activation(name: str, node: str) -> list[str]:
    """Eq. 2, 4 and 20; of a softmax only the exponential."""
    z, a = f"z{node}", f"a{node}"
    return {
        "logistic": [f"{a} = 1 / (1 + exp(-{z}))"],
        "tanh": [f"{a} = tanh({z})"],
        "relu": [f"{a} = {z} if {z} > 0 else 0.0"],
        "leaky_relu": [f"{a} = {z} if {z} > 0 else slope * {z}"],
        "identity": [],
        "softmax": [f"q{node.partition('_')[2]} = exp({z})"],
        "unit_step": [f"{a} = 1.0 if {z} >= 0 else 0.0"],
    }[name]


def _times_derivative(name: str, node: str) -> str:
    """Eq. 7, with the sign of multiplication before it; nothing where fA′ is 1."""
    z, a = f"z{node}", f"a{node}"
    return {
        "logistic": f" * ({a} * (1 - {a}))",
        "tanh": f" * (1 - {a} * {a})",
        "relu": f" * (1.0 if {z} > 0 else 0.0)",
        "leaky_relu": f" * (1.0 if {z} > 0 else slope)",
        "identity": "",
    }[name]


def _error(plan: Plan, name: str) -> Iterator[str]:
    """Eq. 5, 6, 18 and 20."""
    outputs, loss = _post_names(plan, plan.layers), plan.structure.loss
    for o, y in enumerate(outputs):
        yield f"f{o} = t{o} - {y}" if plan.upwards else f"f{o} = {y} - t{o}"
    if loss == "binary_cross_entropy":
        terms = [
            term
            for o, y in enumerate(outputs)
            for term in (f"t{o} * log({y})", f"(1 - t{o}) * log(1 - {y})")
        ]
    elif loss == "categorical_cross_entropy":
        terms = [f"t{o} * log({y})" for o, y in enumerate(outputs)]
    elif loss == "perceptron":
        terms = [f"abs(f{o})" for o in range(len(outputs))]
    else:
        terms = [f"f{o} * f{o}" for o in range(len(outputs))]
    yield from _sum(name, terms)
    if loss == "half_squared_error":
        yield f"{name} = 0.5 * {name}"
    elif loss == "mean_squared_error":
        yield f"{name} = {name} / {len(outputs)}"
    elif loss in {"binary_cross_entropy", "categorical_cross_entropy"}:
        yield f"{name} = -{name}"


def _signals(plan: Plan) -> Iterator[str]:
    """Eq. 8, 11, 18 and 20: from the output down, through the weights as they are."""
    names, loss, last = plan.structure.activations, plan.structure.loss, plan.layers
    outer = {"squared_error": "2 * {}", "mean_squared_error": f"2 * {{}} / {plan.nodes[-1]}"}
    for o in range(plan.nodes[-1]):
        node = f"{last}_{o}"
        derivative = "" if plan.structure.cancels else _times_derivative(names[-1], node)
        yield f"d{node} = {outer.get(loss, '{}').format(f'f{o}')}{derivative}"
    for k in range(last - 1, 0, -1):
        m, start = plan.nodes[k + 1], plan.weight_starts[k]
        for i in range(plan.nodes[k]):
            node = f"{k}_{i}"
            terms = [f"d{k + 1}_{j} * w{start + i * m + j}" for j in range(m)]
            yield from _sum(f"d{node}", terms)
            derivative = _times_derivative(names[k - 1], node)
            if derivative:
                yield f"d{node} = d{node}{derivative}"


def _products(plan: Plan) -> Iterator[str]:
    """Eq. 9, 12 and 14: one sample's gradient of every parameter, in the order of the vector."""
    for k in range(plan.layers):
        signals = [f"d{k + 1}_{j}" for j in range(plan.nodes[k + 1])]
        for incoming in _post_names(plan, k):
            yield from (f"{signal} * {incoming}" for signal in signals)
    if plan.bias_starts:
        for k in range(plan.layers):
            yield from (f"d{k + 1}_{j}" for j in range(plan.nodes[k + 1]))


# an update


def _update(plan: Plan) -> Iterator[str]:
    """E of the update, its penalty included, and Eq. 10, 13, 15 and 16."""
    if plan.mean and plan.batch > 1:
        yield "e = e / size"
    if plan.decayed:
        yield from _sum("penalty", [f"w{p} * w{p}" for p in range(plan.decayed)])
        yield "e = e + half * penalty"
    if plan.optimizer == "adam":
        yield "power1 = power1 * beta1"
        yield "power2 = power2 * beta2"
        yield "gap1 = 1 - power1"
        yield "gap2 = 1 - power2"
    sign = "+" if plan.upwards else "-"
    for p, product in enumerate(_products(plan)):
        if p >= plan.moved:
            return
        gradient = product if plan.batch == 1 else f"g{p}"
        if plan.mean and plan.batch > 1:
            gradient = f"g{p} / size"
        if p < plan.decayed:
            gradient = f"{gradient} {'-' if plan.upwards else '+'} decay * w{p}"
        yield from _move(plan.optimizer, p, gradient, sign)


def _move(optimizer: str, p: int, gradient: str, sign: str) -> list[str]:
    """What the optimiser makes of one gradient."""
    w, v, s = f"w{p}", f"v{p}", f"s{p}"
    return {
        "sgd": [f"{w} = {w} {sign} rate * ({gradient})"],
        "momentum": [
            f"{v} = momentum * {v} + ({gradient})",
            f"{w} = {w} {sign} rate * {v}",
        ],
        "rate_in_velocity": [
            f"{v} = momentum * {v} + rate * ({gradient})",
            f"{w} = {w} {sign} {v}",
        ],
        "adam": [
            f"g = {gradient}",
            f"{v} = beta1 * {v} + rest1 * g",
            f"{s} = beta2 * {s} + rest2 * g * g",
            f"{w} = {w} {sign} rate * ({v} / gap1) / (sqrt({s} / gap2) + epsilon)",
        ],
    }[optimizer]
