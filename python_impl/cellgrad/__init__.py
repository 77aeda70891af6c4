"""cellgrad: backpropagation you can check cell by cell.

Nothing is imported here, so that ``import cellgrad.mlp`` needs NumPy alone.
"""

__version__ = "0.1.0"
