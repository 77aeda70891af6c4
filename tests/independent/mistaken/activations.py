"""Activation functions and their slopes, of one number."""

import math


def exp(x):
    """Return e^x; infinity where it overflows, as C has it."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def logistic(z, wrong):
    if wrong.makes("sign-of-exponent"):
        return 1 / (1 + exp(z))
    if wrong.makes("logistic-through-tanh"):
        return 0.5 * (1 + math.tanh(z / 2))
    if wrong.makes("logistic-complement"):
        return 1 - 1 / (1 + exp(z))
    if wrong.makes("wrong-e"):
        return 1 / (1 + 2.7**-z)
    if wrong.makes("hard-logistic"):
        return min(1.0, max(0.0, 0.25 * z + 0.5))
    return 1 / (1 + exp(-z))


def tangent(z, wrong):
    how = wrong.how("tanh-through-exp")
    if how == "two exponentials":
        return (exp(z) - exp(-z)) / (exp(z) + exp(-z))
    if how is not None:
        return 2 / (1 + exp(-2 * z)) - 1
    if wrong.makes("sine-for-tanh"):
        return math.sin(z)
    return math.tanh(z)


def activation(name, z, slope, wrong):
    """Return fA(z)."""
    if name == "logistic":
        return logistic(z, wrong)
    if name == "tanh":
        return tangent(z, wrong)
    if name == "relu":
        return max(0.0, z)
    if name == "leaky_relu":
        return z if z > 0 else slope * z
    return z


def derivative(name, z, slope, wrong):
    """Return fA′(z)."""
    if name == "tanh" and wrong.makes("sine-for-tanh"):
        return math.cos(z)
    return from_value(name, activation(name, z, slope, wrong), slope, wrong)


def from_value(name, s, slope, wrong):
    """Return fA′ by its short form, from a value of fA."""
    if name == "logistic":
        return _of_logistic(s, wrong)
    if name == "tanh":
        return s * (1 - s) if wrong.makes("logistic-derivative-in-tanh") else 1 - s * s
    if name == "relu":
        return 1.0 if s > 0 else 0.0
    if name == "leaky_relu":
        return 1.0 if s > 0 else slope
    return 1.0


def _of_logistic(s, wrong):
    return 1 - s * s if wrong.makes("tanh-derivative-in-logistic") else s * (1 - s)


def softmax(zs, wrong):
    if wrong.makes("softmax-shifted"):
        largest = max(zs)
        zs = [z - largest for z in zs]
    powers = [2.7**z if wrong.makes("wrong-e") else exp(z) for z in zs]
    total = 0.0
    for power in powers:
        total += power
    return [power / total for power in powers]
