"""The answer of ``cellgrad train``: for people, as JSON, and as a trace."""

from __future__ import annotations

import itertools
import math
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cellgrad.case.model import Case
from cellgrad.errors import printable
from cellgrad_series.train.run import Accuracy, Result, Score
from cellgrad_series.train.table import counted

SHOWN_EPOCHS = 12
SHOWN_CLASSES = 8
"""Beyond so many classes the commonest confusions are listed instead of the table."""
SHOWN_CONFUSIONS = 10


def as_json(result: Result, seed: int | None) -> dict[str, Any]:
    """Return the answer as one JSON object.

    ``epoch_errors`` are sums over an epoch's updates, as in a trace (reference/schema);
    ``epoch_means`` are these divided by the number of updates.
    """
    diverged = bool(result.diverged)
    return {
        "case": result.case.id,
        "kernel": result.kernel,
        "seed": seed,
        "epochs": result.case.epochs,
        "updates": result.case.updates(),
        "diverged": result.diverged or None,
        "epoch_errors": result.epochs.sums,
        "epoch_means": [mean for _, _, mean in result.epochs.stretches()],
        "training": _score(result.training),
        "validation": _score(result.validation),
        "weights": None if diverged else _plain(result.weights),
        "biases": None if diverged else _plain(result.biases),
    }


def trace_document(result: Result, case_id: str | None) -> dict[str, Any]:
    """Return the run as a trace (reference/schema/trace.schema.json).

    Args:
        result: a run that did not diverge.
        case_id: the case that it answers; None where the run is no longer that case's.
    """
    error = result.final_error()
    return {
        "schema": "cellgrad-trace/1",
        **({} if case_id is None else {"case": case_id}),
        "weights": _plain(result.weights),
        "biases": _plain(result.biases),
        **({"final": {"error": error}} if math.isfinite(error) else {}),
        "epoch_errors": result.epochs.sums,
    }


def _plain(arrays: Any) -> Any:
    return None if arrays is None else [array.tolist() for array in arrays]


def _score(score: Score | None) -> dict[str, Any] | None:
    if score is None:
        return None
    accuracy = score.accuracy
    return {
        "samples": score.samples,
        "error": score.error if math.isfinite(score.error) else None,
        "accuracy": None if accuracy is None else {"right": accuracy.right, "of": accuracy.of},
        "confusion": None if accuracy is None else accuracy.confusion,
    }


def print_training(result: Result, origins: list[str], start: str) -> None:
    """Print what was run, the error on the way, and the accuracy with a confusion table.

    Args:
        result: the run.
        origins: lines that say where the samples come from, if not from the case.
        start: where the starting weights come from.
    """
    console = Console(highlight=False)
    case = result.case
    console.print(Text(printable(case.title), style="bold"))
    console.print(Text(_network(case)))
    for line in origins:
        console.print(Text(printable(line)))
    console.print(Text(_counts(case)))
    console.print(Text(f"{start}; kernel {result.kernel}"))
    console.print()
    if result.diverged:
        console.print(Text(f"The training diverged: {result.diverged}.", style="bold red"))
        console.print("Nothing was saved. A smaller --learning-rate may help.")
        return
    console.print(_errors_title(case))
    console.print(_errors(result))
    console.print()
    if result.training is not None:
        _print_score(console, "Training", result.training)
    console.print()
    if result.validation is None:
        console.print("No validation samples: how it does on others is not known.")
    else:
        _print_score(console, "Validation", result.validation)


def _network(case: Case) -> str:
    network, rate, optimizer = case.network, case.learning_rate, case.optimizer
    names = network.activations
    shown = names[0] if len(set(names)) == 1 else " · ".join(names)
    parts = [
        "-".join(str(n) for n in network.nodes),
        shown.replace("_", " "),
        "no biases" if network.biases is None else "biases",
        case.loss.replace("_", " "),
        "LR varies" if isinstance(rate, tuple) else f"LR {rate:.6g}",
    ]
    if optimizer.name != "sgd":
        parts.append(optimizer.name)
    if optimizer.momentum:
        parts.append(f"momentum {optimizer.momentum:.6g}")
    if optimizer.weight_decay:
        parts.append(f"weight decay {optimizer.weight_decay:.6g}")
    return ", ".join(parts)


def _counts(case: Case) -> str:
    return (
        f"{counted(len(case.samples), 'sample')}, {counted(case.epochs, 'epoch')}, "
        f"{counted(case.updates(), 'update')} ({case.update.replace('_', ' ')})"
    )


def _errors_title(case: Case) -> str:
    if case.updates() == case.epochs:
        return "E before each update:"
    over = "" if case.epochs == 1 else " of the epoch"
    return f"E before each update, mean over the updates{over}:"


def _errors(result: Result) -> Table:
    """Return a row an epoch, some of them; of a single epoch, a row a stretch of its updates."""
    case = result.case
    by_epoch, one_each = case.epochs > 1, case.updates() == case.epochs
    stretches = (result.epochs if by_epoch else result.blocks).stretches()
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    if by_epoch:
        table.add_column("epoch", justify="right")
    if not (by_epoch and one_each):
        table.add_column("update" if one_each else "updates", justify="right")
    table.add_column("E" if one_each else "mean E", justify="right")
    for n in _shown_epochs(len(stretches)):
        first, last, mean = stretches[n - 1]
        updates = f"{first:,}–{last:,}" if last > first else f"{last:,}"
        row = [f"{n:,}", updates, error_text(mean)]
        table.add_row(*(row[:1] * by_epoch + row[1:2] * (not (by_epoch and one_each)) + row[2:]))
    return table


def _shown_epochs(epochs: int) -> list[int]:
    """Return the first, the last, and round numbers between, such as 1, 50, 100 and 130."""
    step, factors = 1, itertools.cycle((2, 2.5, 2))  # 1, 2, 5, 10, 20, 50, …
    while epochs // step > SHOWN_EPOCHS - 2:
        step = int(step * next(factors))
    return sorted({1, *range(step, epochs + 1, step), epochs})


def error_text(error: float) -> str:
    """Return an error as a person reads it: six digits after the point, or a power of ten."""
    if not math.isfinite(error):
        return "infinite"
    if error == 0:
        return "0"
    small = error and abs(error) < 1e-4
    return f"{error:.3e}" if small or abs(error) >= 1e9 else f"{error:.6f}"


def accuracy_text(accuracy: Accuracy) -> str:
    """Return the accuracy as ``n of m (x %)``; no rounding makes it complete, or nothing."""
    percent = 100 * accuracy.right / accuracy.of
    shown = f"{percent:.1f}"
    if accuracy.right < accuracy.of and shown == "100.0":
        shown = ">99.9"
    if accuracy.right and shown == "0.0":
        shown = "<0.1"
    return f"{accuracy.right:,} of {accuracy.of:,} right ({shown.removesuffix('.0')} %)"


def _print_score(console: Console, name: str, score: Score) -> None:
    accuracy = score.accuracy
    text = Text(f"{name}, with the final weights", style="bold")
    if accuracy is not None:
        text.append(f": {accuracy_text(accuracy)}")
    console.print(text)
    single = score.targets.shape[1] == 1
    rule = "class 1: output above 0.5" if single else "class: the largest output"
    mean = f"mean E {error_text(score.error)} over {counted(score.samples, 'sample')}"
    console.print(mean if accuracy is None else f"{mean}; {rule}")
    if accuracy is None:
        one = "0 or 1" if single else "a single 1 among 0s"
        console.print(f"no accuracy: the targets are no classes ({one})")
        return
    if len(accuracy.confusion) <= SHOWN_CLASSES:
        console.print(_confusion(accuracy, single=single))
    else:
        _print_confusions(console, accuracy)


def _confusion(accuracy: Accuracy, *, single: bool) -> Table:
    names = [str(n if single else n + 1) for n in range(len(accuracy.confusion))]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    wide = len(names) > 4
    table.add_column("predicted" if wide else "", justify="right")
    for name in names:
        table.add_column(name if wide else f"predicted {name}", justify="right")
    for target, (name, counts) in enumerate(zip(names, accuracy.confusion, strict=True)):
        cells = [
            Text(f"{count:,}", style="green" if target == predicted else "red" if count else "dim")
            for predicted, count in enumerate(counts)
        ]
        table.add_row(f"target {name}", *cells)
    return table


def _print_confusions(console: Console, accuracy: Accuracy) -> None:
    wrong = sorted(
        (-count, target, predicted)
        for target, row in enumerate(accuracy.confusion)
        for predicted, count in enumerate(row)
        if count and target != predicted
    )
    if not wrong:
        return
    console.print("most often confused (--json has the whole table):")
    for count, target, predicted in wrong[:SHOWN_CONFUSIONS]:
        console.print(f"  target {target + 1} taken for {predicted + 1}: {_times(-count)}")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
