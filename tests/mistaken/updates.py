"""The update: what becomes of a gradient, parameter by parameter."""

from mistaken.network import within

WEIGHT, BIAS = "weight", "bias"


class Mover:
    """Moves parameters, and remembers between updates what the optimiser needs.

    Attributes:
        momentum: μ.
        decay: λ.
        velocity: by parameter.
        before: by parameter, the gradient of the update before.
    """

    def __init__(self, case, net, wrong, rounding):
        optimizer = case["optimizer"]
        self.momentum = optimizer.get("momentum", 0.0)
        self.decay = optimizer.get("weight_decay", 0.0)
        self.net, self.wrong, self.rounding = net, wrong, rounding
        self.velocity, self.before, self.carried = {}, {}, {}

    def gradient(self, key, g, value, samples):
        """Return a parameter's gradient with decay, and with what is carried along."""
        how = self.wrong.how("accumulator-not-reset")
        carries = how in ("", "with the decay in it") or (
            how is not None and how.startswith("bias") == (key[0] == BIAS)
        )
        if carries and how != "with the decay in it":
            g = self.carried[key] = self.carried.get(key, 0.0) + g
        g = self._decayed(key, g, value, samples)
        if carries and how == "with the decay in it":
            g = self.carried[key] = self.carried.get(key, 0.0) + g
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
        if _kind_is(key, self.wrong.how("learning-rate-missing")):
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
        v = self.velocity[key] = mu * old + g
        return g + rate * v

    def _applied(self, key, value, delta):
        wrong = self.wrong
        if wrong.makes("assigned-not-subtracted"):
            return delta if wrong.how("assigned-not-subtracted") else -delta
        if wrong.makes("error-sign-convention") or adds(self.net, key, wrong):
            return value + delta
        how = wrong.how("updated-twice")
        if how == "" or (how == "weights only" and key[0] == WEIGHT):
            delta = 2 * delta
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
            share = self.decay if how == "without the rate" else self._rate(key, rate) * self.decay
            return after - share * value
        if self.wrong.makes("weight-decay-new-weights") and key[0] == WEIGHT:
            return after * (1 - self._rate(key, rate) * self.decay)
        return after


def _kind_is(key, how):
    """Whether a variant such as ``weights only`` means this parameter; None means none."""
    if how is None:
        return False
    return how == "" or how.startswith("bias") == (key[0] == BIAS)


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
        return wrong.how("bias-missing") == "and not updated"
    if wrong.makes("one-gradient-for-both") and k == net.last:
        return True
    if wrong.makes("stuck-weight") and key[1:] == (0, 1, 1):
        return True
    return _skipped(net, key, wrong.how("last-node-skipped"))


def _skipped(net, key, how):
    """Whether the update's loop ends before this weight."""
    if how is None:
        return False
    _, k, i, j = key
    last_from, last_to = i == net.nodes[k] - 1, j == net.nodes[k + 1] - 1
    return {
        "the last input": last_from and k == 0,
        "the last hidden node, outgoing": last_from and k > 0,
        "the last hidden node, incoming": last_to and k < net.last,
        "the last output": last_to and k == net.last,
        "the last hidden node, both": (last_from and k > 0) or (last_to and k < net.last),
        "every last incoming node": last_from,
        "every last node": last_to,
        "every loop": last_from or last_to,
    }[how]


def adds(net, key, wrong):
    """Whether the update adds this parameter's gradient."""
    how = wrong.how("gradient-added")
    if how is None:
        return False
    kind, k = key[0], key[1]
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
    if how is None or "each input's" in how or key[0] == BIAS or key[1] == 0:
        return 1
    if how == "every layer above the first":
        return net.nodes[key[1] - 1]
    return net.nodes[0] if key[1] == net.last else 1
