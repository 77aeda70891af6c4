"""A cellgrad case on standard input, a trace on standard output: JAX, double precision."""

import json
import sys

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)
case = json.load(sys.stdin)
network, rule, rates = case["network"], case["optimizer"], case["learning_rate"]
if case.get("conventions") or case["loss"] == "perceptron" or rule["name"] != "sgd":
    sys.exit(print('{"unsupported": "a convention, the perceptron rule, or Adam"}'))
ACTIVATIONS = {
    "logistic": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "leaky_relu": lambda z: jnp.where(z > 0, z, network.get("leaky_slope", 0.01) * z),
    "identity": lambda z: z,
}
ERRORS = {  # a number a sample; the entropies take the last pre-activations
    "half_squared_error": lambda y, t: jnp.sum((y - t) ** 2, axis=1) / 2,
    "squared_error": lambda y, t: jnp.sum((y - t) ** 2, axis=1),
    "mean_squared_error": lambda y, t: jnp.mean((y - t) ** 2, axis=1),
    "binary_cross_entropy": lambda z, t: jnp.sum(jax.nn.softplus(z) - t * z, axis=1),
    "categorical_cross_entropy": lambda z, t: -jnp.sum(t * jax.nn.log_softmax(z), axis=1),
}


def error(parameters, x, t):
    for layer, name in zip(parameters, network["activations"]):
        z = x @ layer["weights"] + layer.get("biases", 0)
        x = ACTIVATIONS[name](z) if name != "softmax" else None
    errors = ERRORS[case["loss"]](z if "entropy" in case["loss"] else x, t)
    penalty = rule.get("weight_decay", 0) / 2 * sum(jnp.sum(p["weights"] ** 2) for p in parameters)
    return (jnp.mean if case["update"] == "batch_mean" else jnp.sum)(errors) + penalty


@jax.jit
def update(parameters, speeds, rate, x, t):
    gradients = jax.grad(error)(parameters, x, t)
    speeds = jax.tree.map(lambda v, g: rule.get("momentum", 0) * v + g, speeds, gradients)
    return jax.tree.map(lambda w, v: w - rate * v, parameters, speeds), speeds


parameters = [{"weights": jnp.array(w, float)} for w in network["weights"]]
for layer, b in zip(parameters, network["biases"] or []):
    layer["biases"] = jnp.array(b, float)
speeds = jax.tree.map(jnp.zeros_like, parameters)
x, t = (jnp.array([s[of] for s in case["samples"]], float) for of in ("input", "target"))
size = 1 if case["update"] == "online" else case.get("batch_size", len(x))
starts = [*range(0, len(x), size)] * case["epochs"]
for start, rate in zip(starts, rates if isinstance(rates, list) else [rates] * len(starts)):
    batch = slice(start, start + size)
    parameters, speeds = update(parameters, speeds, rate, x[batch], t[batch])
trace = {
    of: [p[of].tolist() for p in parameters if of in p] or None for of in ("weights", "biases")
}
print(json.dumps({"schema": "cellgrad-trace/1", **trace}))
