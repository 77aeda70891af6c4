"""A check of a submitted file before anything else reads it: is it safe to open?

A submission is untrusted, and a short file can stand for a very long one. The archive's
directory is judged before a part is inflated, every part before it is parsed, and the parsing
itself counts as it goes and builds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from cellgrad_coursework.taking_in.precheck.archive import Archive
from cellgrad_coursework.taking_in.precheck.parts import check_parts

__all__ = ["Archive", "check"]


def check(data: bytes, box: Mapping[str, tuple[int, int]], file: object = None) -> list[str]:
    """Check the bytes of a submitted workbook.

    Args:
        data: the file.
        box: of each sheet of the handout, the last row and column in use; what lies a good
            way beyond is refused.
        file: what the file is called in an error.

    Returns:
        Why a person should look at it although it can be read, such as a formula that
        fetches something; empty for most files.

    Raises:
        WorkbookError: it is no .xlsx workbook, damaged, or not safe to read.
    """
    return check_parts(Archive(data, file), box)
