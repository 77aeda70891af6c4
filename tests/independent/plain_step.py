"""A second training step: plain Python floats and lists, from left to right.

Written from reference/equations.md for the tests alone; it shares no code with the
package. Weights are ``weights[k][i][j]``; one sample or a batch.
"""

import math


def activation(name, z, slope):
    if name == "logistic":
        return 1 / (1 + math.exp(-z))
    if name == "tanh":
        return math.tanh(z)
    if name == "relu":
        return max(0.0, z)
    if name == "leaky_relu":
        return z if z > 0 else slope * z
    if name == "unit_step":
        return 1.0 if z >= 0 else 0.0
    return z


def derivative(name, z, slope):
    a = activation(name, z, slope)
    if name == "logistic":
        return a * (1 - a)
    if name == "tanh":
        return 1 - a * a
    if name == "relu":
        return 1.0 if z > 0 else 0.0
    if name == "leaky_relu":
        return 1.0 if z > 0 else slope
    return 1.0


def forward(case, weights, biases, x):
    """Return the pre- and post-activations of one sample, layer by layer."""
    names = case["network"]["activations"]
    slope = case["network"].get("leaky_slope", 0.01)
    pres, posts, incoming = [], [], x
    for k, layer in enumerate(weights):
        pre = []
        for j in range(len(layer[0])):
            total = None if biases is None else biases[k][j]
            for i, value in enumerate(incoming):
                term = value * layer[i][j]
                total = term if total is None else total + term
            pre.append(total)
        if names[k] == "softmax":
            powers = [math.exp(z) for z in pre]
            total = powers[0]
            for power in powers[1:]:
                total = total + power
            post = [power / total for power in powers]
        else:
            post = [activation(names[k], z, slope) for z in pre]
        pres.append(pre)
        posts.append(post)
        incoming = post
    return pres, posts


def left_to_right(terms):
    total = None
    for term in terms:
        total = term if total is None else total + term
    return total


def loss(case, y, t):
    kind = case["loss"]
    if kind == "binary_cross_entropy":
        terms = []
        for a, b in zip(y, t, strict=True):
            terms += [b * math.log(a), (1 - b) * math.log(1 - a)]
        return -left_to_right(terms)
    if kind == "categorical_cross_entropy":
        return -left_to_right([b * math.log(a) for a, b in zip(y, t, strict=True)])
    errors = [a - b for a, b in zip(y, t, strict=True)]
    if kind == "perceptron":
        return left_to_right([abs(e) for e in errors])
    total = left_to_right([e * e for e in errors])
    return {"half_squared_error": 0.5 * total, "squared_error": total}.get(
        kind, total / len(errors)
    )


def error_signals(case, weights, pres, posts, t):
    """Return S_ERROR of one sample, layer by layer, and what it is made of."""
    names, kind = case["network"]["activations"], case["loss"]
    slope = case["network"].get("leaky_slope", 0.01)
    signals, sums, slopes, outer = ([None] * len(weights) for _ in range(4))
    fe = [a - b for a, b in zip(posts[-1], t, strict=True)]
    if kind in {"binary_cross_entropy", "categorical_cross_entropy", "perceptron"}:
        signals[-1], outer = fe, None
    else:
        outer = {
            "half_squared_error": fe,
            "squared_error": [2 * e for e in fe],
            "mean_squared_error": [2 * e / len(fe) for e in fe],
        }[kind]
        slopes[-1] = [derivative(names[-1], z, slope) for z in pres[-1]]
        signals[-1] = [e * d for e, d in zip(outer, slopes[-1], strict=True)]
    for k in reversed(range(len(weights) - 1)):
        slopes[k] = [derivative(names[k], z, slope) for z in pres[k]]
        sums[k] = [
            left_to_right([d * w for d, w in zip(signals[k + 1], row, strict=True)])
            for row in weights[k + 1]
        ]
        signals[k] = [total * d for total, d in zip(sums[k], slopes[k], strict=True)]
    return signals, sums, slopes, outer


def step(case):
    """Return gradients, new weights and E of the case's single step."""
    network = case["network"]
    weights, biases = network["weights"], network.get("biases")
    samples = case["samples"]
    count = len(samples)
    mean = case["update"] == "batch_mean"
    decay = case.get("optimizer", {}).get("weight_decay", 0.0)
    conventions = case.get("conventions", {})
    sign = -1.0 if conventions.get("error_sign") == "target_minus_output" else 1.0
    rate = case["learning_rate"]
    softmax = network["activations"][-1] == "softmax"
    runs = []
    for sample in samples:
        pres, posts = forward(case, weights, biases, sample["input"])
        back = error_signals(case, weights, pres, posts, sample["target"])
        error = loss(case, posts[-1], sample["target"])
        runs.append((sample["input"], pres, posts, back[0], error, sample["target"], *back[1:]))
    error = left_to_right([run[4] for run in runs])
    if mean:
        error = error / count
    penalty = None
    if decay:
        squares = [w * w for layer in weights for row in layer for w in row]
        penalty = 0.5 * decay * left_to_right(squares)
        error = error + penalty
    gradients, bias_gradients, new_weights, new_biases = [], [], [], []
    for k, layer in enumerate(weights):
        gradient = []
        for i, row in enumerate(layer):
            line = []
            for j, w in enumerate(row):
                total = left_to_right(
                    [r[3][k][j] * (r[0] if k == 0 else r[2][k - 1])[i] for r in runs]
                )
                if mean:
                    total = total / count
                line.append(total + decay * w if decay else total)
            gradient.append(line)
        gradients.append([[sign * g for g in line] for line in gradient])
        new_weights.append(
            [
                [w - rate * g for w, g in zip(row, line, strict=True)]
                for row, line in zip(layer, gradient, strict=True)
            ]
        )
        if biases is not None:
            line = [left_to_right([r[3][k][j] for r in runs]) for j in range(len(biases[k]))]
            line = [g / count for g in line] if mean else line
            bias_gradients.append([sign * g for g in line])
            frozen = conventions.get("update_biases") is False
            new_biases.append(
                biases[k]
                if frozen
                else [b - rate * g for b, g in zip(biases[k], line, strict=True)]
            )

    def signed(values):
        return None if values is None else [sign * value for value in values]

    powers = [[math.exp(z) for z in r[1][-1]] for r in runs] if softmax else None
    return {
        "exponential": {len(weights) - 1: powers},
        "exponential_sum": {len(weights) - 1: [left_to_right(p) for p in powers or []]},
        "final_error": [signed([y - t for y, t in zip(r[2][-1], r[5], strict=True)]) for r in runs],
        "sample_error": [r[4] for r in runs],
        "penalty": penalty,
        "error_derivative": [signed(r[8]) for r in runs],
        "activation_derivative": [[r[7][k] for r in runs] for k in range(len(weights))],
        "backpropagated_error": [[signed(r[6][k]) for r in runs] for k in range(len(weights))],
        "pre_activation": [[r[1][k] for r in runs] for k in range(len(weights))],
        "post_activation": [[r[2][k] for r in runs] for k in range(len(weights))],
        "error_signal": [[[sign * d for d in r[3][k]] for r in runs] for k in range(len(weights))],
        "error": error,
        "weight_gradient": gradients,
        "bias_gradient": bias_gradients,
        "new_weights": new_weights,
        "new_biases": new_biases,
    }
