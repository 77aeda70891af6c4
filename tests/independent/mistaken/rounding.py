"""Values that are rounded on the way."""

import math
import struct


class Rounding:
    """What a run of low precision does to its values; otherwise nothing."""

    def __init__(self, wrong):
        how = wrong.how("low-precision")
        self.what, _, self.digits = (how or "").partition(" to ")
        self.what = self.what.partition(",")[0]

    def post_activation(self, x):
        return self._rounded(x) if self.what in ("S_postA", "every value") else x

    def value(self, x):
        return self._rounded(x) if self.what == "every value" else x

    def parameter(self, x):
        everywhere = ("new weights", "every value", "all weights and biases")
        return self._rounded(x) if self.what in everywhere else x

    def given(self, x):
        """Return a starting weight or bias."""
        return self._rounded(x) if self.what == "all weights and biases" else x

    def gradient(self, x):
        """Return a gradient before its decay is added."""
        return self._rounded(x) if self.what == "gradients" else x

    def _rounded(self, x):
        if self.digits == "float16":
            return _float16(x)
        if self.digits == "bfloat16":
            return _bfloat16(x)
        return round(x, int(self.digits.split()[0]))


def _float16(x):
    try:
        return struct.unpack("<e", struct.pack("<e", x))[0]
    except OverflowError:
        return math.copysign(math.inf, x)


def _bfloat16(x):
    bits = struct.unpack("<I", struct.pack("<f", x))[0]
    # to nearest, halves to even: the upper 16 bits of a single
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return struct.unpack("<f", struct.pack("<I", bits))[0]
