"""A whole training run once more: plain Python floats, one parameter at a time.

Written from reference/equations.md and the case schema for the tests alone; it shares no
code with the package. Samples go through ``plain_step``; batches, schedules, momentum,
Adam, weight decay and the conventions are here.
"""

import math

import plain_step


def parameters(network):
    """Return every weight by layer, row, column, then every bias by layer."""
    found = {
        ("weight", k, i, j): w
        for k, layer in enumerate(network["weights"])
        for i, row in enumerate(layer)
        for j, w in enumerate(row)
    }
    for k, layer in enumerate(network["biases"] or []):
        found |= {("bias", k, j): b for j, b in enumerate(layer)}
    return found


def nested(case, values):
    """Return the same as nested lists: weights, and biases or None."""
    nodes = case["network"]["nodes"]
    layers = range(len(nodes) - 1)
    weights = [
        [[values["weight", k, i, j] for j in range(nodes[k + 1])] for i in range(nodes[k])]
        for k in layers
    ]
    if case["network"]["biases"] is None:
        return weights, None
    return weights, [[values["bias", k, j] for j in range(nodes[k + 1])] for k in layers]


def error_and_gradient(case, values, batch):
    """Return E and its gradient, ∂E/∂parameter by parameter."""
    weights, biases = nested(case, values)
    errors, gradients = [], []
    for sample in batch:
        pres, posts = plain_step.forward(case, weights, biases, sample["input"])
        signals = plain_step.error_signals(case, weights, pres, posts, sample["target"])[0]
        errors.append(plain_step.loss(case, posts[-1], sample["target"]))
        incoming = [sample["input"], *posts]
        gradients.append(
            {
                key: signals[key[1]][key[-1]]
                * (incoming[key[1]][key[2]] if key[0] == "weight" else 1.0)
                for key in values
            }
        )
    error = plain_step.left_to_right(errors)
    gradient = {key: plain_step.left_to_right([g[key] for g in gradients]) for key in values}
    if case["update"] == "batch_mean":
        error = error / len(batch)
        gradient = {key: g / len(batch) for key, g in gradient.items()}
    decay = case["optimizer"].get("weight_decay", 0.0)
    if decay:
        biases_too = case.get("conventions", {}).get("decay_biases", False)
        decayed = [key for key in values if biases_too or key[0] == "weight"]
        squares = [values[key] * values[key] for key in decayed]
        error = error + 0.5 * decay * plain_step.left_to_right(squares)
        for key in decayed:
            gradient[key] = gradient[key] + decay * values[key]
    return error, gradient


class Mover:
    """What becomes of gradients: the optimiser, with what it remembers."""

    def __init__(self, case):
        optimizer, conventions = case["optimizer"], case.get("conventions", {})
        self.name, self.momentum = optimizer["name"], optimizer.get("momentum", 0.0)
        self.beta1, self.beta2 = optimizer.get("beta1", 0.9), optimizer.get("beta2", 0.999)
        self.epsilon = optimizer.get("epsilon", 1e-8)
        self.rate_in_velocity = conventions.get("rate_in_velocity", False)
        self.frozen = "bias" if conventions.get("update_biases") is False else None
        self.sign = -1.0 if conventions.get("error_sign") == "target_minus_output" else 1.0
        self.first, self.second, self.power1, self.power2 = {}, {}, 1.0, 1.0

    def move(self, values, gradient, rate):
        """Return the parameters after an update."""
        self.power1, self.power2 = self.power1 * self.beta1, self.power2 * self.beta2
        after = dict(values)
        for key, value in values.items():
            if key[0] != self.frozen:
                # by the convention FE = t − y gradients have the other sign, and are added
                after[key] = value - self.sign * self.change(key, self.sign * gradient[key], rate)
        return after

    def change(self, key, g, rate):
        if self.name == "adam":
            m = self.beta1 * self.first.get(key, 0.0) + (1 - self.beta1) * g
            s = self.beta2 * self.second.get(key, 0.0) + (1 - self.beta2) * g * g
            self.first[key], self.second[key] = m, s
            m_hat, s_hat = m / (1 - self.power1), s / (1 - self.power2)
            return rate * m_hat / (math.sqrt(s_hat) + self.epsilon)
        if not self.momentum:
            return rate * g
        old = self.momentum * self.first.get(key, 0.0)
        self.first[key] = old + rate * g if self.rate_in_velocity else old + g
        return self.first[key] if self.rate_in_velocity else rate * self.first[key]


def train(case, updates):
    """Return E before each update, and weights and biases after the last.

    Args:
        case: a document of the case format.
        updates: how many updates to make; after the last sample comes the first.
    """
    samples, rate = case["samples"], case["learning_rate"]
    size = 1 if case["update"] == "online" else case.get("batch_size", len(samples))
    batches = [samples[start : start + size] for start in range(0, len(samples), size)]
    values, mover, errors = parameters(case["network"]), Mover(case), []
    for update in range(updates):
        batch = batches[update % len(batches)]
        error, gradient = error_and_gradient(case, values, batch)
        errors.append(error)
        values = mover.move(values, gradient, rate[update] if isinstance(rate, list) else rate)
    return (errors, *nested(case, values))
