"""The error of a sample and its derivative by the outputs."""

import math


def hits(net, how):
    """Whether a variant concerns this loss; None is no variant."""
    return how is not None and not (net.crossed and "squared errors only" in how)


def judge(net, p, samples, wrong, rounding):
    """Fill in FE and ∂E/∂S_postA_O of a sample; an update covers so many samples."""
    p.fe = [rounding.value(e) for e in _final_error(net, p, wrong)]
    p.outer = None
    if not net.crossed:
        p.outer = [rounding.value(_outer(net, e, samples, wrong)) for e in p.fe]


def sample_error(net, y, t):
    """Return E of one sample."""
    if net.loss == "binary_cross_entropy":
        return -sum(b * _log(a) + (1 - b) * _log(1 - a) for a, b in zip(y, t, strict=True))
    if net.loss == "categorical_cross_entropy":
        return -sum(b * _log(a) for a, b in zip(y, t, strict=True))
    total = sum((a - b) * (a - b) for a, b in zip(y, t, strict=True))
    if net.loss == "half_squared_error":
        return 0.5 * total
    return total / len(y) if net.loss == "mean_squared_error" else total


def _log(x):
    return math.log(x) if x > 0 else math.nan


def _final_error(net, p, wrong):
    y, t = p.post[-1], p.t
    if wrong.makes("target-smoothed"):
        t = [0.9 * b + 0.05 for b in t]
    if hits(net, wrong.how("error-from-pre-activation")):
        y = p.pre[-1]
    errors = [a - b for a, b in zip(y, t, strict=True)]
    if hits(net, wrong.how("loss-value-for-error")):
        return _values(net, p, errors, wrong.how("loss-value-for-error"))
    if hits(net, wrong.how("absolute-error")):
        return [abs(e) for e in errors]
    if hits(net, wrong.how("error-flipped")) or wrong.makes("error-sign-convention"):
        return [-e for e in errors]
    if wrong.makes("error-times-1.1"):
        return [1.1 * e for e in errors]
    return errors


def _values(net, p, errors, how):
    if how.startswith("(y − t)²"):
        return [e * e for e in errors]
    if how.startswith("½ (y − t)²"):
        return [0.5 * e * e for e in errors]
    if how.startswith("E of the sample"):
        return [sample_error(net, p.post[-1], p.t)] * len(errors)
    factor = 1.0 if how.startswith("Σ") else 0.5
    return [factor * sum(e * e for e in errors)] * len(errors)


def sign(e):
    return (e > 0) - (e < 0)


def _outer(net, e, samples, wrong):
    outputs = net.nodes[-1]
    scaled = scale(net, e, samples, wrong)
    if scaled is not None:
        return scaled
    if net.loss == "squared_error":
        return 2 * e
    if net.loss == "mean_squared_error":
        return 2 * e / outputs
    return e


def scale(net, e, samples, wrong):
    """Return what mistakes about the loss make of FE; None where there are none."""
    if wrong.makes("error-sign-only"):
        return float(sign(e))
    how = wrong.how("loss-doubled")
    if hits(net, how):
        return 2 * e / samples if how.startswith("and averaged") else 2 * e
    how = wrong.how("loss-averaged-over-outputs")
    if hits(net, how):
        return (2 * e if how.startswith("2") else e) / net.nodes[-1]
    return None
