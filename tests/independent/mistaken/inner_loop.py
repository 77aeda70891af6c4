"""The output's weights, moved inside the loop over the inputs."""

from mistaken import backward
from mistaken.updates import WEIGHT


def input_by_input(training, update):
    """Compute each input's gradients through the output's weights as they are by then.

    The output's weights are moved after each input instead of once.
    """
    net, last = training.net, training.net.last
    if last == 0:
        training.move(update, 0)
        return
    rows = []
    for i in range(net.nodes[0]):
        for k in reversed(range(last)):
            for p in update.passes:
                backward.layer(net, p, k, len(update.passes), training.wrong, training.rounding)
        training.weight_gradient(update, 0)
        rows.append(update.weights[0][i])
        _move_output(training, update)
    update.weights[0] = rows
    for k in range(last):
        training.move(update, k)
    training.move_biases(update, last)


def _move_output(training, update):
    """Move the output's weights once more, by the gradient as it was at first."""
    k = training.net.last
    for i, row in enumerate(training.net.weights[k]):
        for j, w in enumerate(row):
            g = update.weights[k][i][j]
            row[j] = training.mover.moved((WEIGHT, k, i, j), w, g, update.rate)
