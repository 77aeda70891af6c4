"""A cellgrad case on standard input, a trace on standard output: NumPy."""

import json
import sys

import numpy as np


def activated(name, z, below):  # fA of a layer's pre-activations, and fA': a row a sample
    if name == "logistic":
        s = 1 / (1 + np.exp(-z))
        return s, s * (1 - s)
    if name == "tanh":
        s = np.tanh(z)
        return s, 1 - s * s
    if name == "softmax":
        powers = np.exp(z)
        return powers / powers.sum(axis=1, keepdims=True), None
    below = {"relu": 0.0, "leaky_relu": below, "identity": 1.0}[name]
    return np.where(z > 0, z, below * z), np.where(z > 0, 1.0, below)


def gradients(network, loss, weights, biases, x, t):  # of weights, then of biases: sums
    a, slopes = [x], []
    for k, w in enumerate(weights):
        z = a[k] @ w + (biases[k] if biases else 0)
        post, slope = activated(network["activations"][k], z, network.get("leaky_slope", 0.01))
        a, slopes = [*a, post], [*slopes, slope]
    deltas = [a[-1] - t]
    if "entropy" not in loss:
        factor = {"squared_error": 2, "mean_squared_error": 2 / t.shape[1]}.get(loss, 1)
        deltas[0] *= factor * slopes[-1]
    for w, slope in zip(weights[:0:-1], slopes[-2::-1]):  # from the output layer down
        deltas.insert(0, deltas[0] @ w.T * slope)
    of_weights = [p.T @ d for p, d in zip(a, deltas)]
    return of_weights + [d.sum(axis=0) for d in deltas if biases]


case = json.load(sys.stdin)
network, rule, rates = case["network"], case["optimizer"], case["learning_rate"]
if case.get("conventions") or case["loss"] == "perceptron" or rule["name"] != "sgd":
    sys.exit(print('{"unsupported": "a convention, the perceptron rule, or Adam"}'))
weights = [np.array(w, dtype=float) for w in network["weights"]]
biases = [np.array(b, dtype=float) for b in network["biases"] or []]
x, t = (np.array([s[of] for s in case["samples"]], float) for of in ("input", "target"))
size = 1 if case["update"] == "online" else case.get("batch_size", len(x))
starts = [*range(0, len(x), size)] * case["epochs"]
decays = [rule.get("weight_decay", 0)] * len(weights) + [0] * len(biases)
speeds = [np.zeros_like(p) for p in weights + biases]
for start, rate in zip(starts, np.broadcast_to(rates, len(starts))):
    batch = slice(start, start + size)
    found = gradients(network, case["loss"], weights, biases, x[batch], t[batch])
    n = len(x[batch]) if case["update"] == "batch_mean" else 1
    for p, v, g, decay in zip(weights + biases, speeds, found, decays):
        v[:] = rule.get("momentum", 0) * v + g / n + decay * p
        p -= rate * v
answer = {"weights": [w.tolist() for w in weights], "biases": [b.tolist() for b in biases] or None}
print(json.dumps({"schema": "cellgrad-trace/1", **answer}))
