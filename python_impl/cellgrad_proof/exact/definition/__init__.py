"""What each quantity is, worked out at 100 digits from the numbered equations.

Source: reference/equations.md. Nothing here reads a formula. What an equation defines as a
derivative is taken as one: a parameter (or a pre-activation, or a post-activation) is moved
by a step of 10⁻¹⁰⁰ along the imaginary axis, and the imaginary part of E, divided by the step,
is the derivative, with an error of the order of the step's square. So no equation of the
backward pass is written down here, and no derivative of an activation function.

Arrays are nested lists of mpmath's numbers. Layers of weights count from 0.
"""
