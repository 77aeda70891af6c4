"""One training step of a multilayer perceptron, as the derivation has it.

Read it in this order: ``equations`` (one function an equation), ``step`` (which calls them in
the order of the derivation, and finds the same gradients by central differences), then ``run``
(many steps, one after another). NumPy is all it needs.

    >>> from cellgrad.mlp import training_step
    >>> step = training_step(
    ...     weights=[[[0.5, -1.0], [-1.0, 2.0]], [[1.0], [-1.0]]],
    ...     inputs=[[1.0, 0.5]], targets=[[1.0]],
    ...     activations=["logistic", "logistic"])
    >>> step.weight_gradient[0][0].tolist()
    [-0.03125, 0.03125]
"""

from cellgrad.mlp.run import Update, training_run
from cellgrad.mlp.step import Step, training_step

__all__ = ["Step", "Update", "training_run", "training_step"]
