"""A cellgrad case on standard input, a trace on standard output: Python without libraries."""

import json
import sys
from math import exp, tanh


def each(f, *lists):  # f of the numbers that stand at the same place of nested lists
    return [each(f, *at) for at in zip(*lists)] if isinstance(lists[0], list) else f(*lists)


def activated(name, z, below):  # fA of a layer's pre-activations, and fA' (Eq. 2, 7, 17)
    if name == "softmax":
        return [exp(x) / sum(map(exp, z)) for x in z], None
    if name in ("logistic", "tanh"):
        a = [1 / (1 + exp(-x)) if name == "logistic" else tanh(x) for x in z]
        return a, [s * (1 - s) if name == "logistic" else 1 - s * s for s in a]
    below = {"relu": 0.0, "leaky_relu": below, "identity": 1.0}[name]
    return [x if x > 0 else below * x for x in z], [1.0 if x > 0 else below for x in z]


def gradients(case, weights, biases, x, t):  # of one sample (Eq. 1 to 5, 7 to 9, 11, 12, 14)
    net, loss, a, slopes = case["network"], case["loss"], [x], []
    for k, w in enumerate(weights):
        b = biases[k] if biases else [0.0] * len(w[0])
        z = [sum((p * q for p, q in zip(a[k], w_j)), b_j) for w_j, b_j in zip(zip(*w), b)]
        post, slope = activated(net["activations"][k], z, net.get("leaky_slope", 0.01))
        a, slopes = [*a, post], [*slopes, slope]
    fe = [y - target for y, target in zip(a[-1], t)]
    factor = {"squared_error": 2, "mean_squared_error": 2 / len(t)}.get(loss, 1)
    delta = [fe if "entropy" in loss else [factor * e * s for e, s in zip(fe, slopes[-1])]]
    for w, slope in zip(weights[:0:-1], slopes[-2::-1]):  # from the output layer down
        back = [sum(d * w_ij for d, w_ij in zip(delta[0], row)) for row in w]
        delta.insert(0, [e * s for e, s in zip(back, slope)])
    return [[[p * d for d in to] for p in came] for came, to in zip(a, delta)], delta


case = json.load(sys.stdin)
rule, samples, rates = case["optimizer"], case["samples"], case["learning_rate"]
if case.get("conventions") or case["loss"] == "perceptron" or rule["name"] != "sgd":
    sys.exit(print('{"unsupported": "a convention, the perceptron rule, or Adam"}'))
size = 1 if case["update"] == "online" else case.get("batch_size", len(samples))
starts = [*range(0, len(samples), size)] * case["epochs"]
momentum, decay = rule.get("momentum", 0), rule.get("weight_decay", 0)
weights, biases = case["network"]["weights"], case["network"]["biases"]
speed = each(lambda _: 0.0, [weights, biases or []])
for start, rate in zip(starts, rates if isinstance(rates, list) else [rates] * len(starts)):
    batch = samples[start : start + size]
    found = [gradients(case, weights, biases, s["input"], s["target"]) for s in batch]
    n = len(batch) if case["update"] == "batch_mean" else 1
    weight_gradient, bias_gradient = each(lambda *parts: sum(parts) / n, *map(list, found))
    weight_gradient = each(lambda g, w: g + decay * w, weight_gradient, weights)
    gradient = [weight_gradient, bias_gradient if biases else []]
    speed = each(lambda v, g: momentum * v + g, speed, gradient)
    weights, biases = each(lambda w, v: w - rate * v, [weights, biases or []], speed)
print(json.dumps({"schema": "cellgrad-trace/1", "weights": weights, "biases": biases or None}))
