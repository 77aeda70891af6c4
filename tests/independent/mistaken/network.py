"""The network: how it is read, and words for its layers."""


class Network:
    """Weights, biases and what the layers are.

    Attributes:
        nodes: nodes of each layer.
        names: the activation of each layer but the input.
        slope: of leaky ReLU.
        declared_slope: the same, as the case has it.
        weights: ``weights[k][i][j]``.
        biases: ``biases[k][j]``, or None.
        loss: the name of the loss.
        last: the index of the output's weights.
    """

    def __init__(self, case, wrong):
        network = case["network"]
        self.nodes, self.names = network["nodes"], network["activations"]
        self.slope = self.declared_slope = network.get("leaky_slope", 0.01)
        self.loss = case["loss"]
        self.last = len(self.nodes) - 2
        self.weights = [
            self._weights(layer, k, wrong) for k, layer in enumerate(network["weights"])
        ]
        biases = network["biases"]
        self.biases = None if biases is None else [[float(b) for b in row] for row in biases]
        if wrong.makes("leaky-slope-ignored"):
            words = wrong.how("leaky-slope-ignored").replace(",", "").split()
            self.slope = float(words[1])
            if "declared" not in words:
                self.declared_slope = self.slope

    def _weights(self, layer, k, wrong):
        flat = [float(w) for row in layer for w in row]
        rows, columns = self.nodes[k], self.nodes[k + 1]
        if within(layers_of(wrong.how("weights-read-transposed")), k, self.last):
            return [[flat[j * rows + i] for j in range(columns)] for i in range(rows)]
        return [[flat[i * columns + j] for j in range(columns)] for i in range(rows)]

    def written(self, layer, wrong):
        """Return a layer's matrix as it is written down."""
        if "written so" not in (wrong.how("weights-read-transposed") or ""):
            return layer
        rows, columns = len(layer), len(layer[0])
        flat = [layer[i][j] for j in range(columns) for i in range(rows)]
        return [flat[i * columns : (i + 1) * columns] for i in range(rows)]

    @property
    def crossed(self):
        """Whether the loss is a cross-entropy, which cancels fA′ of the output."""
        return self.loss.endswith("cross_entropy")


def layers_of(how):
    """Return the layers that a variant names before its comma; None where it is not made."""
    return None if how is None else how.partition(", ")[0]


def within(where, k, last):
    """Whether weight layer k is among the layers that a variant names; None names none."""
    if where is None:
        return False
    return {
        "every layer": True,
        "output layer": k == last,
        "hidden layers": k < last,
        "first layer": k == 0,
        "second layer": k == 1,
        "second of three layers": k == 1 and last > 1,
        "last hidden layer": k == last - 1,
        "layers above the first": k > 0,
        "hidden layers below the last": k < last - 1,
    }[where]
