"""The confusion matrix as a page, reference/confusion.md.

python tools/confusion/page.py            writes it
python tools/confusion/page.py --check    exits with 1 where it is not current
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "reference" / "confusion.md"


def main(words):
    """Write the page, or check it; return the exit code."""
    sys.path[:0] = [str(ROOT / part) for part in ("python_impl", "tools", "tests/independent")]
    from confusion.matrix import confusion, markdown  # noqa: PLC0415 - the path is set above
    from confusion.pairs import drawn, judged, section  # noqa: PLC0415

    text = markdown(confusion()) + section(judged(drawn()))
    if "--check" not in words:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
    sys.stdout.write("current\n" if current else f"{PAGE.name} is not current\n")
    return 0 if current else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
