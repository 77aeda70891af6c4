"""Gradients of a layer: products summed over an update's samples."""

import math

from mistaken.network import within


def of_weights(net, update, k, wrong):
    """Return the gradient of the weights of layer k."""
    rows, columns = net.nodes[k], net.nodes[k + 1]
    gradient = [
        [
            _shared(_over_samples(update, k, i, j, wrong), update, "weights", wrong)
            for j in range(columns)
        ]
        for i in range(rows)
    ]
    if within(wrong.how("gradient-transposed"), k, net.last):
        flat = [g for row in gradient for g in row]
        gradient = [[flat[j * rows + i] for j in range(columns)] for i in range(rows)]
    return _bent(gradient, wrong)


def of_the_layer_above(above, rows, how):
    """Return the gradient of the layer above in the shape of the layer below it.

    Args:
        above: the gradient of the layer above: a row for each node between the two layers.
        rows: how many rows the layer below has; each is the same.
        how: the variant of one-gradient-for-both.
    """
    if "summed over the" in how:
        line = [sum(row) for row in above]
    elif how == "the mean of the outputs'":
        line = [sum(row) / len(row) for row in above]
    else:
        line = [row[0 if "the first" in how else -1] for row in above]
    return [list(line) for _ in range(rows)]


def _over_samples(update, k, i, j, wrong):
    total = 0.0
    for p in _counted(update.passes, wrong):
        term = p.signal[k][j] * _factor(p, k, i, wrong)
        if wrong.makes("last-sample-only"):
            total = term
        else:
            total += term
    return total


def _counted(passes, wrong):
    """Return the samples that the loop over them sees."""
    if wrong.makes("last-sample-only") and "first" in wrong.how("last-sample-only"):
        return passes[:1]
    if wrong.makes("last-sample-skipped") and len(passes) > 1:
        return passes[1:] if "first" in wrong.how("last-sample-skipped") else passes[:-1]
    return passes


def _factor(p, k, i, wrong):
    """Return what the weight from node i of layer k multiplied."""
    if k == 0:
        return 1.0 if wrong.makes("no-input-factor") else p.x[i]
    how = wrong.how("no-post-activation-factor")
    if how == "layers above the first" or (how is not None and k == len(p.pre) - 1):
        return 1.0
    if wrong.makes("pre-activation-factor"):
        return p.pre[k - 1][i]
    return p.post[k - 1][i]


def _shared(total, update, kind, wrong):
    """Return a sum over samples, or its mean, as the update asks for."""
    count = len(update.passes)
    total /= update.shares
    if "not divided" in (wrong.how("last-sample-only") or ""):
        return total
    mean = update.mean
    if wrong.makes("sum-for-mean"):
        mean = False
    if wrong.makes("mean-for-sum"):
        mean = True
    if _divided_again(wrong.how("mean-twice"), update, kind):
        total /= count
    if not mean:
        return total
    if "divided by N − 1" in (wrong.how("last-sample-skipped") or "") and count > 1:
        return total / (count - 1)
    return total / count


def _divided_again(how, update, kind):
    """Whether a variant of mean-twice divides a gradient by N once more."""
    if how is None or how == "the decay too" or (kind != "weights" and "weights only" in how):
        return False
    return update.mean or "where the mean" not in how


def _bent(gradient, wrong):
    """Return a gradient after what mistakes outside the catalogue do to it."""
    if wrong.makes("gradient-clipped"):
        return [[min(0.05, max(-0.05, g)) for g in row] for row in gradient]
    if wrong.makes("gradient-with-offset"):
        return [[g + 0.001 for g in row] for row in gradient]
    if wrong.makes("gradient-normalised"):
        length = math.sqrt(sum(g * g for row in gradient for g in row))
        return [[g / length if length else g for g in row] for row in gradient]
    return gradient


def of_biases(net, update, k, wrong):
    """Return the gradient of the biases of layer k."""
    gradient = []
    for j in range(net.nodes[k + 1]):
        total = 0.0
        for p in _counted(update.passes, wrong):
            term = _bias_term(net, p, k, j, wrong)
            if wrong.makes("last-sample-only"):
                total = term
            else:
                total += term
        gradient.append(_bias_share(total, net.nodes[k + 1], update, wrong))
    return _bent([gradient], wrong)[0]


def _bias_term(net, p, k, j, wrong):
    how = wrong.how("bias-gradient-summed")
    if how is not None and within(how.partition(", ")[2] or "every layer", k, net.last):
        total = sum(p.signal[k])
        return total / len(p.signal[k]) if how == "the mean" else total
    if "differentiated" in (wrong.how("bias-per-term") or ""):
        return p.signal[k][j] * len(p.incoming(k))
    if wrong.makes("bias-gradient-times-input"):
        incoming = p.incoming(k)
        return (
            p.signal[k][j]
            * incoming[0 if wrong.how("bias-gradient-times-input") == "the first" else -1]
        )
    return p.signal[k][j]


def _bias_share(total, nodes, update, wrong):
    how = wrong.how("bias-gradient-mean")
    if how == "not divided":
        return total
    if how == "divided by the layer's nodes instead":
        return total / nodes if update.mean else total
    found = _shared(total, update, "biases", wrong)
    if how == "divided once more" or (how is not None and update.mean):
        return found / len(update.passes)
    return found
