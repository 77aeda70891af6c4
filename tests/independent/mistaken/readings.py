"""Where the catalogue's words leave more than one reading, and where mistakes look alike."""

_DIGITS = ("2 decimals", "3 decimals", "4 decimals", "5 decimals", "6 decimals")

OPEN = {
    "update-in-inner-loop/each input's gradient through the weight as it is then": (
        "the inputs are the network's; the velocity is updated every time"
    ),
    **{
        f"low-precision/every value to {digits}": "every number of a trace; halves to even"
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
        for which in (
            "output of the same number",
            "first output",
            "last output",
            "node of the same number above, in every hidden layer",
        )
    },
}
"""Where a trace of this program first differs, if not in the catalogue's first quantity."""

WITHOUT_STEPS = ("online-for-batch", "batch-for-online")
"""Their updates are not those of the case: a trace holds the final weights alone."""
