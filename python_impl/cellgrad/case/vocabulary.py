"""The words of the case format, and which of them go together.

Source: reference/equations.md, "Permitted pairs".
"""

from __future__ import annotations

HIDDEN_ACTIVATIONS = ("logistic", "tanh", "relu", "leaky_relu", "identity")
ACTIVATIONS = (*HIDDEN_ACTIVATIONS, "softmax", "unit_step")

SQUARED_LOSSES = ("half_squared_error", "squared_error", "mean_squared_error")
CROSS_ENTROPIES = ("binary_cross_entropy", "categorical_cross_entropy")
LOSSES = (*SQUARED_LOSSES, *CROSS_ENTROPIES, "perceptron")

UPDATES = ("online", "batch_sum", "batch_mean")
OPTIMIZERS = ("sgd", "adam")
ERROR_SIGNS = ("output_minus_target", "target_minus_output")

OUTPUTS_OF = {
    **dict.fromkeys(SQUARED_LOSSES, HIDDEN_ACTIVATIONS),
    "binary_cross_entropy": ("logistic",),
    "categorical_cross_entropy": ("softmax",),
    "perceptron": ("unit_step",),
}
"""The output activations that each loss permits."""
