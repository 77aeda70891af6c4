"""A run: update after update."""

from mistaken import backward, gradients, stored
from mistaken.errors import judge
from mistaken.forward import passes
from mistaken.inner_loop import input_by_input
from mistaken.network import Network
from mistaken.rounding import Rounding
from mistaken.samples import turns
from mistaken.trace import final, step
from mistaken.updates import BIAS, WEIGHT, Mover

OTHER_UPDATES = ("online-for-batch", "batch-for-online")
"""Whose updates are not those of the case: they cannot be written down as its steps."""


class Update:
    """One update while it is made.

    Attributes:
        passes: what is stored of each sample.
        mean: whether gradients are means over the samples.
        rate: the learning rate.
        shares: what gradients are divided by, by mistake.
        without_decay: gradients of weights by layer, before anything is added to them.
        weights: gradients of weights by layer.
        biases: gradients of biases by layer.
    """

    def __init__(self, found, layers, mean, turn):
        self.passes, self.mean = found, mean
        self.rate, self.shares = turn.rate, turn.shares
        self.without_decay, self.weights, self.biases = ([None] * layers for _ in range(3))


class Training:
    """A network being trained, with the mistakes that are asked for."""

    def __init__(self, case, wrong):
        self.wrong = wrong.and_declared(case.get("conventions", {}))
        self.rounding = Rounding(self.wrong)
        self.net = Network(case, self.wrong)
        given = self.rounding.given
        self.net.weights = [[[given(w) for w in r] for r in m] for m in self.net.weights]
        if self.net.biases is not None:
            self.net.biases = [[given(b) for b in row] for row in self.net.biases]
        self.mover = Mover(case, self.net, self.wrong, self.rounding)
        self.mean = case["update"] == "batch_mean" or (
            case["update"] == "online" and self.wrong.how("batch-for-online") == "their mean"
        )

    def update(self, turn):
        """Make one update; return what was computed."""
        net, wrong, rounding = self.net, self.wrong, self.rounding
        found = passes(net, turn.rows, wrong, rounding)
        update = Update(found, net.last + 1, self.mean, turn)
        stored.before_errors(found, wrong)
        for p in found:
            judge(net, p, len(found), wrong, rounding)
        stored.before_backward(found, wrong)
        for k in reversed(range(net.last + 1)):
            for p in found:
                backward.layer(net, p, k, len(found), wrong, rounding)
            self.weight_gradient(update, k)
            self.bias_gradient(update, k)
            if self._too_early(update, k):
                self.move(update, k)
        if "each input's" in (wrong.how("update-in-inner-loop") or ""):
            input_by_input(self, update)
            return update
        for k in range(net.last + 1):
            if not self._too_early(update, k):
                self.move(update, k)
        return update

    def _too_early(self, update, k):
        """Whether a layer is moved before the error has flowed back through it."""
        how = self.wrong.how("updated-output-weights")
        if how == "the output weights only":
            return k == self.net.last
        return how == "" or (how is not None and len(update.passes) == 1)

    def weight_gradient(self, update, k):
        """Compute the gradient of the weights of layer k."""
        net, samples = self.net, len(update.passes)
        found = gradients.of_weights(net, update, k, self.wrong)
        update.without_decay[k] = found
        how = self.wrong.how("one-gradient-for-both")
        if _takes_gradient_from_above(net, k, how):
            above = update.without_decay[k + 1]
            found = gradients.of_the_layer_above(above, net.nodes[k], how)
        update.weights[k] = [
            [
                self._whole((WEIGHT, k, i, j), g, net.weights[k][i][j], samples)
                for j, g in enumerate(row)
            ]
            for i, row in enumerate(found)
        ]

    def bias_gradient(self, update, k):
        """Compute the gradient of the biases of layer k."""
        net, samples = self.net, len(update.passes)
        if net.biases is not None:
            found = gradients.of_biases(net, update, k, self.wrong)
            update.biases[k] = [
                self._whole((BIAS, k, j), g, net.biases[k][j], samples) for j, g in enumerate(found)
            ]

    def _whole(self, key, g, value, samples):
        """Return a gradient with its decay."""
        g = self.mover.gradient(key, self.rounding.gradient(g), value, samples)
        return self.rounding.value(g)

    def move(self, update, k):
        """Move the weights and biases of layer k."""
        for i, row in enumerate(self.net.weights[k]):
            for j, w in enumerate(row):
                g = update.weights[k][i][j]
                row[j] = self.mover.moved((WEIGHT, k, i, j), w, g, update.rate)
        self.move_biases(update, k)

    def move_biases(self, update, k):
        """Move the biases of layer k."""
        if self.net.biases is not None:
            row = self.net.biases[k]
            for j, b in enumerate(row):
                row[j] = self.mover.moved((BIAS, k, j), b, update.biases[k][j], update.rate)


def _takes_gradient_from_above(net, k, how):
    if how is None or k == net.last:
        return False
    return k == net.last - 1 or how.startswith("in every layer")


def answered(case, wrong, *, steps=False):
    """Return the trace of a case.

    Args:
        case: a document of the case format.
        wrong: the mistakes to make.
        steps: every update is written down too.
    """
    optimizer = case["optimizer"]["name"]
    if optimizer != "sgd" or case["loss"] == "perceptron":
        return {"schema": "cellgrad-trace/1", "unsupported": f"no {optimizer} with {case['loss']}"}
    training = Training(case, wrong)
    told = []
    for turn in turns(case, training.wrong):
        update = training.update(turn)
        if steps:
            told.append(step(training.net, update, case, training.wrong))
    if any(training.wrong.makes(entry) for entry in OTHER_UPDATES):
        told = []
    # whoever makes one update too many reports as many as were asked for
    del told[asked(case) :]
    return final(training.net, case, told, training.wrong)


def asked(case):
    """Return how many updates a case asks for."""
    count = len(case["samples"])
    size = 1 if case["update"] == "online" else case.get("batch_size", count)
    return case["epochs"] * -(-count // size)
