"""The update: what becomes of a gradient, parameter by parameter."""

from mistaken.network import within

WEIGHT, BIAS = "weight", "bias"


class Mover:
    """Moves parameters, and remembers between updates what the optimiser needs.

    Attributes:
        momentum: μ.
        decay: λ.
        mean: whether gradients are means over the samples.
        velocity: by parameter.
        before: by parameter, the gradient of the update before.
    """

    def __init__(self, case, net, wrong, rounding):
        optimizer = case["optimizer"]
        self.momentum = optimizer.get("momentum", 0.0)
        self.decay = optimizer.get("weight_decay", 0.0)
        self.mean = case["update"] == "batch_mean"
        self.net, self.wrong, self.rounding = net, wrong, rounding
        self.velocity, self.before, self.carried = {}, {}, {}

    def gradient(self, key, g, value, samples):
        """Return a parameter's gradient with decay, and with what is carried along."""
        carries = _carries(key, self.wrong.how("accumulator-not-reset"), samples)
        with_decay = "with the decay in it" in (self.wrong.how("accumulator-not-reset") or "")
        in_place = "in place" in (self.wrong.how("accumulator-not-reset") or "")
        if carries and not with_decay:
            g = self._carried(key, g, samples if in_place and self.mean else 1)
        elif carries and in_place:
            g += self.carried.get(key, 0.0) / (samples if self.mean else 1)
        g = self._decayed(key, g, value, samples)
        if carries and with_decay:
            g = self.carried[key] = g if in_place else self.carried.get(key, 0.0) + g
        return g / samples if self.wrong.how("mean-twice") == "the decay too" else g

    def _carried(self, key, g, shares):
        """Add a gradient to what is left of those before, which was divided with them."""
        g = self.carried[key] = self.carried.get(key, 0.0) / shares + g
        return g

    def _decayed(self, key, g, value, samples):
        wrong, decay = self.wrong, self.decay
        if not decay or (key[0] == BIAS and not wrong.makes("weight-decay-on-biases")):
            return g
        if (
            wrong.makes("weight-decay-missing")
            or wrong.makes("weight-decay-decoupled")
            or wrong.makes("weight-decay-new-weights")
        ):
            return g
        if wrong.makes("weight-decay-doubled"):
            decay *= 2
        if wrong.makes("weight-decay-over-samples"):
            decay /= samples
        if wrong.makes("weight-decay-sign"):
            decay = -decay
        if wrong.makes("error-sign-convention"):
            decay = -decay
        return g + decay * value

    def moved(self, key, value, g, rate):
        """Return a parameter after its update."""
        if frozen(self.net, key, self.wrong):
            return value
        after = value
        for _ in range(repeated(self.net, key, self.wrong)):
            after = self._applied(key, after, self._change(key, g, self._rate(key, rate)))
        return self.rounding.parameter(self._decayed_beside(key, value, after, rate))

    def _rate(self, key, rate):
        how = self.wrong.how("learning-rate-missing")
        if _kind_is(key, how) or (how and "layer" in how and within(how, key[1], self.net.last)):
            return 1.0
        if _kind_is(key, self.wrong.how("learning-rate-squared")):
            return rate * rate
        if self.wrong.makes("rate-by-layers"):
            return rate / (self.net.last + 1)
        return rate

    def _change(self, key, g, rate):
        """Return Δ, by which the parameter is moved."""
        wrong, mu, old = self.wrong, self.momentum, self.velocity.get(key)
        how = wrong.how("momentum-missing")
        if wrong.how("learning-rate-squared") == "once in the velocity, once outside":
            g *= rate
        if not mu or how == "" or (how is not None and key[0] == BIAS):
            return rate * g
        if wrong.makes("momentum-fake"):
            return self._fake(key, g, rate, wrong.how("momentum-fake"))
        if wrong.makes("momentum-averaged"):
            first_whole = wrong.how("momentum-averaged") == "the first gradient whole"
            v = g if old is None and first_whole else mu * (old or 0.0) + (1 - mu) * g
        elif wrong.makes("momentum-holds-learning-rate"):
            v = self.velocity[key] = mu * (old or 0.0) + rate * g
            return v
        else:
            v = mu * (old or 0.0) + g
        self.velocity[key] = v
        if wrong.makes("momentum-nesterov"):
            return rate * (g + mu * v)
        return rate * v

    def _fake(self, key, g, rate, how):
        mu, old = self.momentum, self.velocity.get(key, 0.0)
        before = self.before.get(key, 0.0)
        self.before[key] = g
        if how == "v ← LR · v + gradient":
            v = self.velocity[key] = rate * old + g
            return rate * v
        if how == "Δ = LR · (gradient + LR · gradient before)":
            return rate * (g + rate * before)
        if how == "Δ = LR · (gradient + μ · gradient before)":
            return rate * (g + mu * before)
        if how == "Δ = gradient + LR · v":
            v = self.velocity[key] = g + rate * old
            return v
        change = self.velocity[key] = rate * (g + mu * old)
        return change

    def _applied(self, key, value, delta):
        wrong = self.wrong
        how = wrong.how("assigned-not-subtracted")
        if how == "with the other sign":
            return delta
        if _kind_is(key, how):
            return -delta
        if wrong.makes("error-sign-convention") or adds(self.net, key, wrong):
            return value + delta
        how = wrong.how("updated-twice")
        if _kind_is(key, how):
            delta = 2 * delta
        if wrong.how("update-in-inner-loop") == "the velocity only once":
            delta = loops(self.net, key) * delta
        after = value - delta
        if wrong.makes("weights-on-a-grid"):
            return round(after * 256) / 256
        return after

    def _decayed_beside(self, key, value, after, rate):
        """Apply the decay that stands beside the gradient, by mistake."""
        if not self.decay:
            return after
        how = self.wrong.how("weight-decay-decoupled")
        if how is not None and (key[0] == WEIGHT or "biases too" in how):
            share = self.decay if "without the rate" in how else self._rate(key, rate) * self.decay
            return after - share * value
        if self.wrong.makes("weight-decay-new-weights") and key[0] == WEIGHT:
            return after * (1 - self._rate(key, rate) * self.decay)
        return after


def _kind_is(key, how):
    """Whether a variant such as ``weights only`` means this parameter; None means none."""
    return how == "" or how == ("weights only" if key[0] == WEIGHT else "biases only")


def _carries(key, how, samples):
    """Whether a variant of accumulator-not-reset carries this parameter's gradient along."""
    if how in ("weights only", "biases only"):
        return _kind_is(key, how)
    if how in ("batches only", "online only"):
        return (samples > 1) == (how == "batches only")
    return how is not None


def frozen(net, key, wrong):
    """Whether a mistake keeps a parameter as it is."""
    kind, k = key[0], key[1]
    how = wrong.how("layer-frozen")
    if how is not None:
        where, _, biases_too = how.partition(", ")
        if how == "all":
            return True
        if within(where, k, net.last) and (kind == WEIGHT or biases_too):
            return True
    if kind == BIAS:
        how = wrong.how("bias-frozen")
        if how == "" or (how is not None and within(how, k, net.last)):
            return True
        if wrong.how("bias-missing") == "and not updated":
            return True
    elif _stands_still(net, key, wrong):
        return True
    return _skipped(net, key, wrong.how("last-node-skipped"))


def _stands_still(net, key, wrong):
    """Whether a mistake leaves this one weight, or the output's, without an update."""
    if wrong.makes("stuck-weight"):
        return key[1:] == (0, 1, 1)
    return wrong.makes("one-gradient-for-both") and key[1] == net.last


def _skipped(net, key, how):
    """Whether the update's loop over weights, or over nodes, ends before this parameter."""
    if how is None or (key[0] == BIAS and "weights" in how):
        return False
    k, last = key[1], net.last
    # a node's bias is moved by the loop over its layer's nodes
    left = key[0] == WEIGHT and key[2] == net.nodes[k] - 1
    reached = key[-1] == net.nodes[k + 1] - 1
    what, _, which = how.partition(", ")
    if "hidden" in what:
        # layer k leads to hidden layer k + 1, and layer k + 1 leads from it
        meant = {"every": range(last), "first": range(min(last, 1))}
        layers = meant.get(what.split()[-3], range(last - 1, last))
        out, into = left and k - 1 in layers, reached and k in layers
        which = which.split(",")[0].split()[0]
        return {"outgoing": out, "incoming": into, "both": out or into}[which]
    return {
        "the last input": left and k == 0,
        "the last output": reached and k == last,
        "the last output's weights": reached and k == last,
        "every last incoming node": left,
        "every last node": reached,
        "every last node's weights": reached,
        "every loop": left or reached,
    }[what]


def adds(net, key, wrong):
    """Whether the update adds this parameter's gradient."""
    how = wrong.how("gradient-added")
    if how is None:
        return False
    kind, k = key[0], key[1]
    if how == "everything":
        return True
    if how in ("biases", "weights"):
        return how.startswith(kind)
    if how.startswith("weights of the "):
        return kind == WEIGHT and within(how.removeprefix("weights of the "), k, net.last)
    return within(how, k, net.last)


def repeated(net, key, wrong):
    """Return how often the update's lines are carried out for this parameter."""
    if wrong.how("updated-twice") == "the velocity too":
        return 2
    how = wrong.how("update-in-inner-loop")
    if how is None or "each input's" in how or how == "the velocity only once":
        return 1
    if key[0] == BIAS and how != "biases too":
        return 1
    if how == "once for every input of the network":
        return net.nodes[0] if key[1] == net.last and net.last else 1
    if how == "every layer above the first" and key[1]:
        return net.nodes[key[1] - 1]
    return loops(net, key, biases=how == "biases too")


def loops(net, key, *, biases=False):
    """Return how often the loop over what lies below the hidden nodes comes to this line."""
    if key[1] != net.last or not net.last or (key[0] == BIAS and not biases):
        return 1
    return net.nodes[key[1] - 1]
