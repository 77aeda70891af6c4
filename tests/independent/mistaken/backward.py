"""The backward pass: S_ERROR of one layer of one sample."""

from mistaken.errors import scale
from mistaken.slopes import of_the_layer_above, slopes


def layer(net, p, k, samples, wrong, rounding):
    """Fill in fA′, Σ S_ERROR · weight and S_ERROR of the nodes above weight layer k."""
    p.slopes[k] = slopes(net, p, k, wrong, rounding)
    if k == net.last:
        signal = _output_signal(net, p, samples, wrong)
        p.signal[k] = [rounding.value(d) for d in signal]
        return
    p.back[k] = [rounding.value(_back(net, p, k, h, wrong)) for h in range(net.nodes[k + 1])]
    p.signal[k] = [
        rounding.value(_hidden_signal(net, p, k, h, wrong)) for h in range(net.nodes[k + 1])
    ]


def _output_signal(net, p, samples, wrong):
    if net.crossed:
        return _crossed_signal(net, p, samples, wrong)
    if p.slopes[-1] is None:
        return list(p.outer)
    return [e * s for e, s in zip(p.outer, p.slopes[-1], strict=True)]


def _crossed_signal(net, p, samples, wrong):
    if wrong.makes("derivative-kept-in-cross-entropy"):
        return [e * y * (1 - y) for e, y in zip(p.fe, p.post[-1], strict=True)]
    if wrong.how("softmax-twice") == "both differentiated" and p.inner is not None:
        through = sum(e * q for e, q in zip(p.fe, p.inner, strict=True))
        return [q * (e - through) for e, q in zip(p.fe, p.inner, strict=True)]
    scaled = [scale(net, e, samples, wrong) for e in p.fe]
    return list(p.fe) if scaled[0] is None else scaled


def _hidden_signal(net, p, k, h, wrong):
    if wrong.makes("node-dropped") and h == 0:
        return 0.0
    back = p.back[k][h]
    how = wrong.how("hidden-uses-output-derivative")
    if _inside_the_sum(net, k, wrong):
        return back
    if how is not None and "node of the same number" in how:
        return back * of_the_layer_above(net, p, k, h, wrong)
    if how is not None and how.startswith("fA′ of the ") and k == net.last - 1:
        node = {"first": 0, "last": -1}.get(how.split()[3], h)
        return back * of_the_layer_above(net, p, k, node, wrong)
    return back if p.slopes[k] is None else back * p.slopes[k][h]


def _inside_the_sum(net, k, wrong):
    """Whether fA′ of the layer above stands inside the sum instead of fA′ behind it."""
    how = wrong.how("hidden-uses-output-derivative") or ""
    return how.startswith("the same") or ("inside" in how and k == net.last - 1)


def _back(net, p, k, h, wrong):
    """Return the error that flows back to hidden node h."""
    above = p.signal[k + 1]
    if k + 1 == net.last:
        above = _what_leaves_the_output(net, p, wrong)
    if _chain_dropped(net, k, wrong):
        above = [1.0] * len(above)
    how = wrong.how("output-weights-summed") or ""
    if "both factors apart" in how:
        rows = net.weights[k + 1] if how.startswith("over both") else [net.weights[k + 1][h]]
        return sum(w for row in rows for w in row) * sum(above)
    total = 0.0
    for o in _outputs(net, k, len(above), wrong):
        term = above[o] * _weight(net, k + 1, h, o, wrong)
        if _inside_the_sum(net, k, wrong):
            term *= of_the_layer_above(net, p, k, o, wrong)
        total += term
    return total


def _what_leaves_the_output(net, p, wrong):
    if wrong.makes("hidden-skips-output-derivative"):
        return p.fe if p.outer is None else p.outer
    if wrong.makes("activation-for-error-signal"):
        return p.post[-1]
    return p.signal[-1]


def _chain_dropped(net, k, wrong):
    how = wrong.how("chain-dropped")
    return how == "hidden layers" or (how is not None and k < net.last - 1)


def _outputs(net, k, count, wrong):
    """Return over which nodes of the layer above the sum runs."""
    how = wrong.how("one-output-only")
    if how is not None and (k + 1 == net.last or "below" not in how):
        return [0] if how.startswith("the first") else [count - 1]
    if wrong.makes("last-output-skipped-backward"):
        return range(count - 1)
    return range(count)


def _weight(net, k, h, o, wrong):
    """Return the weight from h to o of layer k, as the backward pass reads it."""
    weights = net.weights[k]
    rows = len(weights)
    if wrong.makes("no-output-weight"):
        return 1.0
    if wrong.how("output-weights-summed") == "over the hidden nodes":
        return sum(row[o] for row in weights)
    if wrong.makes("output-weight-index"):
        return _neighbour(weights, h, o, wrong.how("output-weight-index"))
    how = wrong.how("output-weights-transposed")
    if how == "in a flat array":
        flat = [w for row in weights for w in row]
        return flat[o * rows + h]
    if how is not None:
        return weights[o % rows][h % len(weights[0])]
    return weights[h][o]


def _neighbour(weights, h, o, how):
    """Return the weight beside the right one; past the end comes the other end."""
    step = 1 if "+ 1" in how else -1
    if how.startswith("o"):
        return weights[h][(o + step) % len(weights[0])]
    if "keeping its own" in how and not 0 <= h + step < len(weights):
        return weights[h][o]
    return weights[(h + step) % len(weights)][o]
