"""The trace: what is written down of a run."""

import math


def step(net, update, case, wrong):
    """Return one update as a step of the trace."""
    single = case["update"] == "online"
    found = update.passes

    def of_samples(values):
        rows = [_plain(v) for v in values]
        return rows[0] if single else rows

    def by_layer(name, layers):
        table = []
        for k in layers:
            values = [(p.told.get(name) or getattr(p, name))[k] for p in found]
            table.append(None if values[0] is None else of_samples(values))
        return table

    every = range(net.last + 1)
    told = {
        "pre_activation": by_layer("pre", every),
        "post_activation": by_layer("post", every),
        "final_error": of_samples([p.fe for p in found]),
        "activation_derivative": by_layer("slopes", every),
        "error_signal": by_layer("signal", every),
        "weight_gradient": [_plain(net.written(layer, wrong)) for layer in update.weights],
        "weights": [_plain(net.written(layer, wrong)) for layer in net.weights],
    }
    if found[0].outer is not None:
        told["error_derivative"] = of_samples([p.outer for p in found])
    if net.last:
        told["backpropagated_error"] = by_layer("back", range(net.last))
    if net.biases is not None:
        told["bias_gradient"] = [_plain(layer) for layer in update.biases]
        told["biases"] = [_plain(row) for row in net.biases]
    return told


def final(net, case, steps, wrong):
    """Return the whole trace."""
    told = {
        "schema": "cellgrad-trace/1",
        "case": case["id"],
        "weights": [_plain(net.written(layer, wrong)) for layer in net.weights],
        "biases": None if net.biases is None else [_plain(row) for row in net.biases],
    }
    if steps:
        told["steps"] = steps
    return told


def _plain(value):
    """Return a copy that JSON can hold: what is no number is not given."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value if math.isfinite(value) else None
