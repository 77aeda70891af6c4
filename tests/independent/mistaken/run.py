"""The program: a case on standard input, a trace on standard output, mistakes by name.

run.py                                       no mistake
run.py updated-output-weights                one, in the first of its variants
run.py "output-weight-index/h + 1"           a variant
run.py chain-dropped bias-frozen             two at once
run.py --trace derivative-sign               with every step
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mistaken.mistakes import Wrong
from mistaken.training import answered


def main(words):
    names = [word for word in words if word != "--trace"]
    answer = answered(json.load(sys.stdin), Wrong(names), steps="--trace" in words)
    json.dump(answer, sys.stdout, allow_nan=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
