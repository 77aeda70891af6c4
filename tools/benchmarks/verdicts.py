"""How long the verdicts on one submission take: read, evaluate on 17 draws, name the mistakes.

Submissions of one case, each with up to three catalogued mistakes, are written beforehand and
graded one after the other in this process. Nothing here fails for being slow.

    python tools/benchmarks/verdicts.py [--case ID] [-n N]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from cellgrad_coursework.rehearsal.mistakes import mistakes_of
from cellgrad_coursework.running.judge import Grader
from plain_submission import assignment, case_of, workbook


def measure(case_id: str, count: int) -> tuple[float, float, int]:
    """Return ms a submission by the clock and by the processor, and the cells graded."""
    case = case_of(case_id)
    manifest = assignment(case)
    grader, rng = Grader(manifest), random.Random(1)
    wrong = list(mistakes_of(manifest, case))
    files = []
    for _ in range(count):
        chosen = rng.sample(wrong, rng.choice((0, 0, 1, 2, 3)))
        changes = {manifest.cells[w.cell].address: f"={w.formula}" for w in chosen}
        files.append(workbook(manifest, changes))
    grader.grade(workbook(manifest, {manifest.cells[0].address: "=0*1"}), "warm.xlsx")
    clock, processor = time.perf_counter(), time.process_time()
    for data in files:
        grader.grade(data, "x.xlsx")
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    return clock / count * 1e3, processor / count * 1e3, len(manifest.cells)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--case", default="series-3-4-1")
    arguments.add_argument("-n", type=int, default=300)
    given = arguments.parse_args()
    clock, processor, cells = measure(given.case, given.n)
    sys.stdout.write(
        f"{given.case}: {cells} cells, {clock:.1f} ms a submission by the clock, "
        f"{processor:.1f} ms by the processor, {1e3 / clock:.0f} a second on one core\n"
    )


if __name__ == "__main__":
    main()
