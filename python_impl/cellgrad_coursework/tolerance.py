"""How far apart two values of a formula may be and still be the same but for rounding."""

ABSOLUTE, RELATIVE = 1e-12, 1e-9
"""A value passes within ABSOLUTE + RELATIVE · max(|a|, |b|)."""
