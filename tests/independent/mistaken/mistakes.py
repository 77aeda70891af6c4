"""The mistakes by name and variant, and which of them a run makes."""

from mistaken.outside import OUTSIDE

_LAYERS = ("every layer", "output layer", "hidden layers")
_FIRST_OR_OUTPUT = ("every layer", "first layer", "output layer")
_ALL_OR_SQUARED = ("", "squared errors only")
_WHICH_NODES = ("", "logistic and tanh nodes only", "logistic nodes only")
_DIGITS = ("2 decimals", "3 decimals", "4 decimals", "5 decimals", "6 decimals")
_ROUNDED = (*_DIGITS, "float16", "bfloat16")

MISTAKES = {
    "sign-of-exponent": ("",),
    "no-hidden-activation": ("fA′ still of S_preA", "fA′ from that S_postA", "no fA′ either"),
    "no-output-activation": ("fA′ from that y", "no fA′ either"),
    "bias-after-activation": (
        "every layer",
        "hidden layers",
        "output layer",
        "every layer, fA′ from that S_postA",
        "hidden layers, fA′ from that S_postA",
        "output layer, fA′ from that S_postA",
    ),
    "bias-per-term": (*_FIRST_OR_OUTPUT, "every layer, and differentiated"),
    "bias-missing": ("and not updated", "but updated"),
    "weights-read-transposed": (*_FIRST_OR_OUTPUT, "every layer, and written so"),
    "last-term-skipped": _FIRST_OR_OUTPUT,
    "softmax-twice": ("both differentiated", "error signal still y − t"),
    "softmax-over-samples": ("",),
    "leaky-slope-ignored": tuple(
        f"slope {slope}{where}"
        for where in ("", ", fA′ as declared")
        for slope in ("0", "0.01", "0.1", "0.2", "0.3")
    ),
    "error-flipped": _ALL_OR_SQUARED,
    "loss-doubled": (*_ALL_OR_SQUARED, "and averaged over samples twice"),
    "loss-averaged-over-outputs": (
        "FE / outputs",
        "2 · FE / outputs",
        "FE / outputs, squared errors only",
        "2 · FE / outputs, squared errors only",
    ),
    "loss-value-for-error": (
        "(y − t)²",
        "½ (y − t)²",
        "Σ (y − t)² for every output",
        "½ Σ (y − t)² for every output",
        "(y − t)², squared errors only",
        "½ (y − t)², squared errors only",
        "E of the sample, of whatever loss, for every output",
    ),
    "absolute-error": _ALL_OR_SQUARED,
    "error-sign-only": ("",),
    "error-from-pre-activation": _ALL_OR_SQUARED,
    "error-sign-convention": ("",),
    "activation-for-derivative-output": _WHICH_NODES,
    "activation-for-derivative-everywhere": _WHICH_NODES,
    "activation-for-derivative-hidden": _WHICH_NODES,
    "no-output-derivative": ("",),
    "no-hidden-derivative": ("hidden layers", "first layer", "last hidden layer"),
    "derivative-kept-in-cross-entropy": ("",),
    "derivative-of-post-activation": _LAYERS,
    "derivative-from-pre": _LAYERS,
    "derivative-sign": (
        *_LAYERS,
        "every layer, logistic nodes only",
        "every layer, every activation",
    ),
    "derivative-precedence": _LAYERS,
    "logistic-derivative-in-tanh": ("",),
    "tanh-derivative-in-logistic": ("",),
    "hidden-uses-output-derivative": (
        "fA′ of each output, inside the sum",
        "the same in every hidden layer, with the layer above",
        "fA′ of the output of the same number",
        "fA′ of the first output",
        "fA′ of the last output",
        "fA′ of each output, inside the sum; y · (1 − y) of a softmax",
        "fA′ of the node of the same number above, in every hidden layer",
    ),
    "updated-output-weights": ("", "the output weights only", "in online updates only"),
    "no-output-weight": ("",),
    "output-weight-index": (
        "h + 1",
        "h − 1",
        "h + 1, the last node keeping its own",
        "h − 1, the first node keeping its own",
        "o + 1",
        "o − 1",
    ),
    "output-weights-transposed": (
        "in a flat array",
        "indices swapped, past the end from the start",
    ),
    "output-weights-summed": (
        "over the hidden nodes",
        "over the outputs, both factors apart",
        "over both, both factors apart",
    ),
    "hidden-skips-output-derivative": ("",),
    "activation-for-error-signal": ("",),
    "one-output-only": (
        "the first",
        "the last",
        "the first, below the output layer only",
        "the last, below the output layer only",
    ),
    "chain-dropped": ("hidden layers below the last", "hidden layers"),
    "last-output-skipped-backward": ("",),
    "one-gradient-for-both": (
        "summed over the outputs",
        "the first output's",
        "the last output's",
        "the mean of the outputs'",
        "in every layer, summed over the nodes above",
        "in every layer, the first node's above",
    ),
    "no-input-factor": ("",),
    "no-post-activation-factor": ("output layer", "layers above the first"),
    "pre-activation-factor": ("",),
    "bias-gradient-summed": (
        "the sum",
        "the mean",
        "the sum, hidden layers",
        "the sum, output layer",
    ),
    "bias-gradient-mean": (
        "divided once more",
        "divided once more, where the mean is asked for",
        "not divided",
        "divided by the layer's nodes instead",
    ),
    "bias-gradient-times-input": ("the first", "the last"),
    "gradient-transposed": _FIRST_OR_OUTPUT,
    "layer-frozen": (
        "output layer",
        "first layer",
        "second layer",
        "output layer, biases too",
        "first layer, biases too",
        "second layer, biases too",
        "hidden layers",
        "hidden layers, biases too",
        "all",
        "second of three layers",
        "second of three layers, biases too",
    ),
    "last-node-skipped": (
        "the last input",
        "the last hidden node, outgoing",
        "the last hidden node, incoming",
        "the last output",
        "the last hidden node, both",
        "every last incoming node",
        "every last node",
        "every loop",
        "the last hidden node, incoming weights",
        "the last output's weights",
        "every last node's weights",
        "every loop, weights only",
        "the last hidden node, both, weights only",
        "the last node of the first hidden layer, outgoing",
        "the last node of the first hidden layer, incoming",
        "the last node of the first hidden layer, both",
        "the last node of the first hidden layer, incoming weights",
        "the last node of the first hidden layer, both, weights only",
        "the last node of every hidden layer, outgoing",
        "the last node of every hidden layer, incoming",
        "the last node of every hidden layer, incoming weights",
        "the last node of every hidden layer, both",
        "the last node of every hidden layer, both, weights only",
    ),
    "bias-frozen": ("", "output layer", "hidden layers"),
    "learning-rate-missing": (
        "",
        "weights only",
        "biases only",
        "output layer",
        "hidden layers",
    ),
    "learning-rate-squared": (
        "",
        "weights only",
        "biases only",
        "once in the velocity, once outside",
    ),
    "learning-rate-constant": (
        "the first",
        "the last",
        "one update late",
        "one update early",
    ),
    "updated-twice": ("", "weights only", "biases only", "the velocity too"),
    "update-in-inner-loop": (
        "gradients as they were",
        "the velocity only once",
        "biases too",
        "once for every input of the network",
        "each input's gradient through the weight as it is then",
        "every layer above the first",
    ),
    "assigned-not-subtracted": (
        "",
        "with the other sign",
        "weights only",
        "biases only",
    ),
    "gradient-added": (
        "everything",
        "biases",
        "weights",
        "output layer",
        "hidden layers",
        "weights of the output layer",
        "weights of the hidden layers",
    ),
    "step-count-off-by-one": (
        "one too few",
        "one too many",
        "one too many, at the first rate",
        "the last one again",
        "the first is left out",
        "one epoch too few",
        "one epoch too many",
    ),
    "row-shifted": (
        "the next sample's target",
        "the sample before's target",
        "the next sample",
        "the sample before",
        "the next sample's target, the last keeping its own",
        "the sample before's target, the first keeping its own",
        "the next sample, the last twice",
        "the sample before, the first twice",
        "the next sample's input",
        "the sample before's input",
    ),
    "first-sample-only": ("the first", "the last"),
    "order-reversed": ("",),
    "last-sample-only": (
        "divided by N",
        "not divided",
        "the first, divided by N",
        "the first, not divided",
    ),
    "last-sample-skipped": (
        "divided by N",
        "divided by N − 1",
        "the first, divided by N",
        "the first, divided by N − 1",
    ),
    "sum-for-mean": ("",),
    "mean-for-sum": ("",),
    "mean-twice": (
        "",
        "where the mean is asked for",
        "weights only",
        "weights only, where the mean is asked for",
        "the decay too",
    ),
    "online-for-batch": (
        "each with the full LR",
        "each with LR / N",
        "each with the full LR, and the rate by sample",
        "each with LR / N, and the rate by sample",
        "each with LR / N, where the mean is asked for",
        "each gradient divided by N",
        "each gradient divided by N, where the mean is asked for",
        "each gradient divided by N, where the mean is asked for, and the rate by sample",
    ),
    "batch-for-online": ("their sum", "their mean"),
    "accumulator-not-reset": (
        "",
        "biases only",
        "weights only",
        "with the decay in it",
        "divided in place",
        "divided in place, with the decay in it",
        "batches only",
        "online only",
    ),
    "cache-aliased": (
        "S_postA of the hidden layers",
        "and their fA′",
        "inputs too",
        "everything",
        "the inputs only",
        "S_postA of every layer",
        "S_postA of every layer, and their fA′",
        "everything, outputs too",
    ),
    "momentum-missing": ("", "for the biases"),
    "momentum-holds-learning-rate": ("",),
    "momentum-averaged": ("", "the first gradient whole"),
    "momentum-fake": (
        "v ← LR · v + gradient",
        "Δ = LR · (gradient + LR · gradient before)",
        "Δ = LR · (gradient + μ · gradient before)",
        "Δ = gradient + LR · v",
        "Δ = LR · (gradient + μ · Δ before)",
    ),
    "momentum-nesterov": ("",),
    "weight-decay-missing": ("",),
    "weight-decay-doubled": ("",),
    "weight-decay-over-samples": ("",),
    "weight-decay-on-biases": ("",),
    "weight-decay-decoupled": (
        "without the rate",
        "without the rate, biases too",
        "with the rate",
        "with the rate, biases too",
    ),
    "weight-decay-sign": ("",),
    "weight-decay-new-weights": ("",),
    "low-precision": tuple(
        f"{what} to {digits}"
        for what in (
            "S_postA",
            "S_postA, not in fA′,",
            "every value",
            "new weights",
            "gradients, before decay,",
        )
        for digits in _ROUNDED
    )
    + tuple(f"all weights and biases to {digits}" for digits in _DIGITS[:4]),
    "logistic-through-tanh": ("",),
    "logistic-complement": ("",),
    "tanh-through-exp": ("two exponentials", "2 / (1 + EXP(−2x)) − 1"),
    "softmax-shifted": ("",),
}
"""Every entry of the catalogue with the ways to make it, the first being the one that is
meant where none is named."""


class Wrong:
    """The mistakes that a run makes.

    Attributes:
        chosen: by entry, the variant.
    """

    def __init__(self, names=()):
        self.chosen = {}
        for name in names:
            entry, variant = parsed(name)
            if self.chosen.setdefault(entry, variant) != variant:
                raise SystemExit(f"one way at a time to make the mistake {entry}")

    def makes(self, entry):
        """Whether it makes this mistake, in any variant."""
        return entry in self.chosen

    def how(self, entry):
        """Return the variant of this mistake; None where it is not made."""
        return self.chosen.get(entry)

    def and_declared(self, conventions):
        """Return these and what the case declares: a convention is the same switch."""
        declared = Wrong()
        declared.chosen = dict(self.chosen)
        for entry, stated in (
            ("bias-frozen", conventions.get("update_biases") is False),
            ("error-sign-convention", conventions.get("error_sign") == "target_minus_output"),
            ("weight-decay-on-biases", conventions.get("decay_biases") is True),
            ("momentum-holds-learning-rate", conventions.get("rate_in_velocity") is True),
        ):
            if stated:
                declared.chosen.setdefault(entry, "")
        return declared


def parsed(name):
    """Return entry and variant of a name; ``entry`` alone means its first variant."""
    entry, slash, variant = name.partition("/")
    if entry in OUTSIDE and not slash:
        return entry, ""
    variants = MISTAKES.get(entry)
    if variants is None or (slash and variant not in variants):
        raise SystemExit(f"no such mistake: {name}")
    return entry, variant if slash else variants[0]


def names(entry):
    """Return the names of an entry's variants, as the command line takes them."""
    return [f"{entry}/{variant}" if variant else entry for variant in MISTAKES[entry]]
