"""A cellgrad case on standard input, a trace of every quantity on standard output.

emitter_plain.py with everything that a trace may hold: where numbers are wrong, the audit
then names the first one. Each quantity may be left out, but the final weights.
"""

import json
import sys
from math import exp, log, tanh

A_LIST_A_LAYER = {
    "pre_activation", "post_activation", "activation_derivative", "backpropagated_error",
    "error_signal",
}  # fmt: skip


def each(f, *lists):
    """Return f of the numbers that stand at the same place of nested lists."""
    return [each(f, *at) for at in zip(*lists)] if isinstance(lists[0], list) else f(*lists)


def activated(name, z, below):
    """Return fA of a layer's pre-activations, and fA' beside it (Eq. 2, 7, 17)."""
    if name == "softmax":
        return [exp(x) / sum(map(exp, z)) for x in z], None
    if name in ("logistic", "tanh"):
        a = [1 / (1 + exp(-x)) if name == "logistic" else tanh(x) for x in z]
        return a, [s * (1 - s) if name == "logistic" else 1 - s * s for s in a]
    below = {"relu": 0.0, "leaky_relu": below, "identity": 1.0}[name]
    return [x if x > 0 else below * x for x in z], [1.0 if x > 0 else below for x in z]


def error_of(loss, y, t, fe):
    """Return E of one sample, and its derivative by each output (Eq. 6, 8, 18)."""
    if loss == "binary_cross_entropy":
        return -sum(v * log(u) + (1 - v) * log(1 - u) for u, v in zip(y, t)), None
    if loss == "categorical_cross_entropy":
        return -sum(v * log(u) for u, v in zip(y, t)), None
    squares = sum(e * e for e in fe)
    if loss == "half_squared_error":
        return 0.5 * squares, fe
    outputs = len(y) if loss == "mean_squared_error" else 1
    return squares / outputs, [2 * e / outputs for e in fe]


def one_sample(case, weights, biases, x, t):
    """Return the quantities of one sample, forward and backward (Eq. 1 to 8, 11)."""
    network, pre, post, slopes, flows = case["network"], [], [], [], []
    for k, w in enumerate(weights):
        b, a = biases[k] if biases else [0.0] * len(w[0]), post[-1] if post else x
        pre.append([sum((p * q for p, q in zip(a, w_j)), b_j) for w_j, b_j in zip(zip(*w), b)])
        a, slope = activated(network["activations"][k], pre[k], network.get("leaky_slope", 0.01))
        post.append(a)
        slopes.append(slope)
    fe = [y - target for y, target in zip(post[-1], t)]
    error, by_output = error_of(case["loss"], post[-1], t, fe)
    signals = [fe if by_output is None else each(lambda e, s: e * s, by_output, slopes[-1])]
    for w, slope in zip(weights[:0:-1], slopes[-2::-1]):  # from the output layer down
        flows.insert(0, [sum(d * w_ij for d, w_ij in zip(signals[0], row)) for row in w])
        signals.insert(0, each(lambda e, s: e * s, flows[0], slope))
    if by_output is None:
        slopes[-1] = None
    found = {
        "pre_activation": pre, "post_activation": post, "final_error": fe, "sample_error": error,
        "activation_derivative": slopes, "backpropagated_error": flows, "error_signal": signals,
    }  # fmt: skip
    if by_output is not None:
        found["error_derivative"] = by_output
    if network["activations"][-1] == "softmax":
        found["exponential"] = [exp(z) for z in pre[-1]]
        found["exponential_sum"] = sum(found["exponential"])
    return found


def of_batch(rows):
    """Return the quantities of a batch: in a layer's entry the sample comes first."""
    if len(rows) == 1:  # one sample: no sample axis, and its error is the error
        return {name: value for name, value in rows[0].items() if name != "sample_error"}
    found = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name in A_LIST_A_LAYER:
            values = [None if None in layer else list(layer) for layer in zip(*values)]
        found[name] = values
    return found


def train(case):
    """Return the trace of a whole run (Eq. 9, 10, 12 to 16, 19, 21)."""
    rule, samples, rates, steps = case["optimizer"], case["samples"], case["learning_rate"], []
    momentum, decay = rule.get("momentum", 0), rule.get("weight_decay", 0)
    weights, biases = case["network"]["weights"], case["network"]["biases"]
    speed = each(lambda _: 0.0, [weights, biases or []])
    size = 1 if case["update"] == "online" else case.get("batch_size", len(samples))
    starts = [*range(0, len(samples), size)] * case["epochs"]
    for start, rate in zip(starts, rates if isinstance(rates, list) else [rates] * len(starts)):
        batch = samples[start : start + size]
        rows = [one_sample(case, weights, biases, s["input"], s["target"]) for s in batch]
        n = len(batch) if case["update"] == "batch_mean" else 1
        summed = []
        for s, row in zip(batch, rows):
            came = [s["input"], *row["post_activation"]]
            signals = row["error_signal"]
            summed.append(
                [[[[p * d for d in to] for p in a] for a, to in zip(came, signals)], signals]
            )
        of_weights, of_biases = each(lambda *parts: sum(parts) / n, *summed)
        of_weights = each(lambda g, w: g + decay * w, of_weights, weights)
        step = {**of_batch(rows), "error": sum(row["sample_error"] for row in rows) / n}
        if decay:
            step["penalty"] = (
                0.5 * decay * sum(w * w for layer in weights for r in layer for w in r)
            )
            step["error"] += step["penalty"]
        gradient = [of_weights, of_biases if biases else []]
        speed = each(lambda v, g: momentum * v + g, speed, gradient)
        weights, biases = each(lambda w, v: w - rate * v, [weights, biases or []], speed)
        biases = biases or None
        step |= {"weight_gradient": of_weights, "bias_gradient": of_biases if biases else None}
        steps.append({**step, "weights": weights, "biases": biases})
    return {"schema": "cellgrad-trace/1", "weights": weights, "biases": biases, "steps": steps}


question = json.load(sys.stdin)
if question.get("conventions") or question["loss"] == "perceptron":
    answer = {"unsupported": "conventions, and the perceptron rule"}
elif question["optimizer"]["name"] != "sgd":
    answer = {"unsupported": "Adam"}
else:
    answer = train(question)
print(json.dumps(answer))
