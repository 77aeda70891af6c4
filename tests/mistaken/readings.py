"""Where the catalogue's words leave more than one reading, and where mistakes look alike."""

_DIGITS = ("2 decimals", "3 decimals", "4 decimals", "5 decimals", "6 decimals")

OPEN = {
    **{
        f"leaky-slope-ignored/slope {slope}": "the other slope stands in fA′ too"
        for slope in ("0", "0.01", "0.1", "0.2", "0.3")
    },
    **{
        f"bias-after-activation/{where}, fA′ from that S_postA": "of ReLU nodes too"
        for where in ("every layer", "hidden layers")
    },
    "loss-value-for-error/E of the sample for every output": "E of the case's own loss",
    "last-output-skipped-backward": "of a single output nothing is left: the sum is 0",
    "hidden-uses-output-derivative/fA′ of each output, inside the sum, of a softmax y · (1 − y)": (
        "a softmax has an fA′, y · (1 − y)"
    ),
    "one-gradient-for-both/summed over the outputs, in every layer that of the layer above": (
        "every hidden layer, not only the last, gets the gradient of the layer above"
    ),
    **{
        f"layer-frozen/second layer{more}": "of two layers, the output layer"
        for more in ("", ", biases too")
    },
    **{
        f"last-node-skipped/the last hidden node, {which}": "in every hidden layer, not the first only"
        for which in ("outgoing", "incoming", "both", "incoming weights")
    },
    "update-in-inner-loop/each input's gradient through the weight as it is then": (
        "the inputs are the network's; the velocity is updated every time"
    ),
    **{
        f"online-for-batch/each with LR / N{more}": "the rate is divided, of sums too, not the gradient"
        for more in ("", ", and the rate by sample")
    },
    **{
        f"low-precision/every value to {digits}": "every number of a trace; halves to even"
        for digits in (*_DIGITS, "float16", "bfloat16")
    },
    **{
        f"low-precision/gradients to {digits}": "rounded with the decay in them"
        for digits in (*_DIGITS, "float16", "bfloat16")
    },
}
"""How this program reads the words where the catalogue may read them otherwise: such a
mistake is named, or called unknown, but gets no wrong name."""

TIES = {
    "logistic-complement": ("logistic-through-tanh", "the same function to the last bits"),
    "logistic-through-tanh": ("logistic-through-tanh", "the same function to the last bits"),
}
"""By entry: another one that may be named first, and why nothing tells them apart."""

UNSEEN = {
    "error-sign-convention": "the two signs cancel: the weights are right",
    "softmax-shifted": "the quotient is the same to the last bits",
}
"""Entries that leave the final weights right, and why."""

FIRSTS = {
    "no-output-derivative": ("error_signal", "where fA′ is left out no fA′ is written down"),
    "no-hidden-derivative": ("error_signal", "where fA′ is left out no fA′ is written down"),
    "hidden-uses-output-derivative": (
        "backpropagated_error",
        "the output's fA′ stands inside the sum, and no fA′ of the hidden layer is written down",
    ),
    "update-in-inner-loop/each input's gradient through the weight as it is then": (
        "backpropagated_error",
        "written down as it is after the last input",
    ),
    "step-count-off-by-one/the first is left out": (
        "weights",
        "on a batch of all samples the second update sees what the first would have",
    ),
    **{
        f"hidden-uses-output-derivative/fA′ of the {which}": (
            "error_signal",
            "no fA′ of the hidden layer is written down",
        )
        for which in ("output of the same number", "first output", "last output")
    },
}
"""Where a trace of this program first differs, if not in the catalogue's first quantity."""

WITHOUT_STEPS = ("online-for-batch", "batch-for-online")
"""Their updates are not those of the case: a trace holds the final weights alone."""
