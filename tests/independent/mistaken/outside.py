"""Mistakes that no entry of the catalogue describes, and where each begins."""

OUTSIDE = {
    "error-times-1.1": ("FE is multiplied by 1.1", "final_error"),
    "rate-by-layers": ("the learning rate is divided by the number of layers", "weights"),
    "gradient-clipped": ("every gradient is clipped at ±0.05", "weight_gradient"),
    "node-dropped": ("the first hidden node passes no error back", "error_signal"),
    "weights-on-a-grid": ("new weights are rounded to multiples of 1/256", "weights"),
    "sine-for-tanh": ("sin stands where tanh belongs, with its own slope", "post_activation"),
    "gradient-with-offset": ("0.001 is added to every gradient", "weight_gradient"),
    "wrong-e": ("e is typed in as 2.7", "post_activation"),
    "hard-logistic": ("the logistic function is cut off straight lines", "post_activation"),
    "input-clamped": ("inputs are clamped to −1 … 1", "pre_activation"),
    "bias-of-the-first-node": ("every node of a layer has the first one's bias", "pre_activation"),
    "stuck-weight": ("one weight of the first layer never moves", "weights"),
    "gradient-normalised": ("each gradient matrix is divided by its length", "weight_gradient"),
    "derivative-plus-a-tenth": ("0.1 is added to every fA′", "activation_derivative"),
    "rate-halves-each-time": ("the rate is halved after every update", "weights"),
    "target-smoothed": ("targets are drawn a tenth towards ½", "final_error"),
}
"""By name: what it does, and the quantity in which it begins."""
