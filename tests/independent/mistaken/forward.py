"""The forward pass: one sample after another through the layers."""

from mistaken.activations import activation, exp, softmax
from mistaken.network import layers_of, within


class Pass:
    """What is stored of one sample.

    Attributes:
        x: its input.
        t: its target.
        pre: S_preA by layer.
        post: S_postA by layer.
        inner: the inner softmax, where there are two.
        fe: FE.
        outer: ∂E/∂S_postA_O, or None.
        slopes: fA′ by layer; None where it is not used.
        back: Σ S_ERROR · weight by layer.
        signal: S_ERROR by layer.
        told: S_preA and S_postA as they were computed, for the trace.
    """

    def __init__(self, x, t, layers):
        self.x, self.t = x, t
        self.pre, self.post = [], []
        self.inner = self.fe = self.outer = None
        self.told = {}
        self.slopes, self.back, self.signal = ([None] * layers for _ in range(3))

    def incoming(self, k):
        """Return what the weights of layer k multiply."""
        return self.x if k == 0 else self.post[k - 1]


def passes(net, rows, wrong, rounding):
    """Return the forward passes of an update's samples."""
    found = []
    for x, t in rows:
        clamped = [min(1.0, max(-1.0, v)) for v in x] if wrong.makes("input-clamped") else x
        found.append(forward(net, Pass(clamped, t, net.last + 1), wrong, rounding))
    if wrong.makes("softmax-over-samples") and net.names[-1] == "softmax":
        for o in range(net.nodes[-1]):
            total = 0.0
            for p in found:
                total += exp(p.pre[-1][o])
            for p in found:
                p.post[-1][o] = exp(p.pre[-1][o]) / total
    for p in found:
        p.told = {"pre": p.pre, "post": p.post}
    return found


def forward(net, p, wrong, rounding):
    for k in range(net.last + 1):
        incoming = p.incoming(k)
        pre = [rounding.value(_sum(net, incoming, k, j, wrong)) for j in range(net.nodes[k + 1])]
        p.pre.append(pre)
        post = _activated(net, p, k, pre, wrong)
        if net.biases is not None and _bias_comes_later(net, k, wrong):
            post = [s + b for s, b in zip(post, net.biases[k], strict=True)]
        p.post.append([rounding.post_activation(s) for s in post])
    return p


def _sum(net, incoming, k, j, wrong):
    bias = _bias(net, k, j, wrong)
    terms = len(incoming)
    if within(wrong.how("last-term-skipped"), k, net.last):
        terms -= 1
    total = bias
    if within(layers_of(wrong.how("bias-per-term")), k, net.last):
        total = 0.0
        for i in range(terms):
            total += incoming[i] * net.weights[k][i][j] + bias
        return total
    for i in range(terms):
        total += incoming[i] * net.weights[k][i][j]
    return total


def _bias(net, k, j, wrong):
    if net.biases is None or wrong.makes("bias-missing"):
        return 0.0
    if _bias_comes_later(net, k, wrong):
        return 0.0
    return net.biases[k][0 if wrong.makes("bias-of-the-first-node") else j]


def _bias_comes_later(net, k, wrong):
    return within(layers_of(wrong.how("bias-after-activation")), k, net.last)


def _activated(net, p, k, pre, wrong):
    if k < net.last and wrong.makes("no-hidden-activation"):
        return list(pre)
    if k == net.last and wrong.makes("no-output-activation"):
        return list(pre)
    if net.names[k] == "softmax":
        y = softmax(pre, wrong)
        if wrong.makes("softmax-twice"):
            p.inner, y = y, softmax(y, wrong)
        return y
    return [activation(net.names[k], z, net.slope, wrong) for z in pre]
