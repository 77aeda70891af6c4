"""The proof that a workbook's gradient cells are the derivatives of its own error.

A part of a workbook is cut into blocks: a training step, a row of a run, a row of a sweep.
In a block every cell has a role (``weight_gradient`` of layer 0 at (2, 1)), its formula is a
term over the roles that it reads, and something is claimed of it: that it equals a term
(a definition), or that it is the derivative of one role by another. The Map says only which
cell has which role; what a role must be follows from the structure (``declared``), and
derivatives are taken of the formulas that stand in the cells (``derivatives``). No equation of
the backward pass is written down anywhere here.

Each claim is decided locally, with what a formula reads as independent symbols: exactly, as
an identity of rational functions (``polynomials``, the grade *proof*), or at random points of a
prime field (``identity``, the grade *identity test*). Since every cell is decided, and no
cell reads itself, what holds locally holds of the givens, by induction along the formulas.
"""
