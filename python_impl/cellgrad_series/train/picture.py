"""What a training run looks like: the error on the way, and what was learnt.

Needs matplotlib, which is an extra. Nothing here depends on a display, on the
reader's matplotlib settings or on the day: the same run draws the same bytes.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.errors import InputError
from cellgrad_series.train.report import accuracy_text, error_text
from cellgrad_series.train.run import THRESHOLD, Result, Score, classes_of

Floats = NDArray[np.float64]

INK, PALE, PALER, LINE = "#24292f", "#8c959f", "#c3cad2", "#1f4e79"
COLOURS = ("#c8553d", "#2f6f9f", "#5b8c3e", "#8d5a97", "#c98a1b", "#3a9188", "#7a7a7a", "#a8436b")
"""Class 0, class 1, …; the first two are told apart by most colour-blind readers too."""

_SIZE, _DPI = (10.0, 4.6), 150
_GRID = 240
_MOST_DOTS = 1_500
_MEAN_SHARE = 40
"""The running mean covers this share of the curve, 1/40."""

_STEEP = 100
"""Where E falls by more than this factor, its axis is logarithmic."""

_GOLDEN = (math.sqrt(5) - 1) / 2

_NO_DATES: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def require_matplotlib() -> None:
    """Make sure that pictures can be drawn.

    Raises:
        InputError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError(
            "drawing needs matplotlib, which is not installed",
            place="--plot",
            remedy="pip install 'cellgrad[plots]'",
        )


def picture(result: Result, kind: str, inputs: Sequence[str] = ()) -> bytes:
    """Draw a run.

    Args:
        result: a run that did not diverge.
        kind: ``png``, ``svg`` or ``pdf``.
        inputs: what the inputs are called, if they have names.

    Raises:
        InputError: the numbers cannot be drawn.
    """
    import matplotlib as mpl  # noqa: PLC0415 - an extra
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it talks about its caches
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that its font does not have
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "font.size": 9,
                "text.color": INK,
                "axes.labelcolor": INK,
                "axes.edgecolor": PALE,
                "axes.titlesize": 10,
                "axes.titlelocation": "left",
                "xtick.color": INK,
                "ytick.color": INK,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "svg.hashsalt": "cellgrad",
            }
        )
        figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(
            _cut(result.case.title, 110), x=0.01, ha="left", fontsize=11, parse_math=False
        )
        left, right = figure.subplots(1, 2, width_ratios=(1, 1))
        stream = io.BytesIO()
        try:
            with np.errstate(all="ignore"):
                _draw_errors(left, result)
                _draw_what_was_learnt(figure, right, result, inputs)
                figure.savefig(stream, format=kind, metadata=_NO_DATES[kind])
        except (ValueError, OverflowError) as error:  # numbers near the end of a double's range
            raise InputError(
                f"numbers too large to be drawn ({error})", place="--plot", remedy="scale them"
            ) from error
    return stream.getvalue()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


# the error


def _draw_errors(axes: Any, result: Result) -> None:
    stretches = result.curve.stretches()
    places = np.array([(first + last) / 2 for first, last, _ in stretches])
    errors = np.array([mean for _, _, mean in stretches])
    window = _window(result, len(errors))
    shown, several = errors, result.curve.length
    each = "each update" if several == 1 else f"mean of {several:,} updates"
    few = len(errors) <= 60
    style: dict[str, Any] = {"marker": "." if few else "", "ms": 4}
    if window > 1:
        shown = _running_mean(errors, window)
        axes.plot(
            places, errors, color=PALER, lw=0.7 if len(errors) <= _MOST_DOTS else 0.35, label=each,
            rasterized=len(errors) > _MOST_DOTS, **style,
        )  # fmt: skip
        places, label = _running_mean(places, window), f"mean of {window * several:,} updates"
        axes.plot(places, shown, color=LINE, lw=1.9, label=label)
    else:
        axes.plot(places, shown, color=LINE, lw=1.6, label=each, **style)
    if shown.min() > 0 and shown.max() > _STEEP * shown.min():
        axes.set_yscale("log")
        lowest = max(errors[errors > 0].min(), shown.min() / _STEEP)
        axes.set_ylim(lowest / 1.5, errors.max() * 1.5)
    else:
        axes.set_ylim(bottom=min(0.0, float(errors.min())))
        axes.margins(y=0.05)
    axes.set_xlim(0.5 if few else 0, result.updates + (0.5 if few else 0))
    epochs = f"{result.case.epochs:,} epoch{'s' * (result.case.epochs > 1)}"
    axes.set(title="Error before each update", xlabel=f"update ({epochs})", ylabel="E")
    if result.updates == 1:
        axes.set_xticks([1])
    else:
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    if window > 1:
        _legend_below(axes, axes.get_legend_handles_labels()[0])


def _window(result: Result, points: int) -> int:
    """Return how many points the running mean covers: an epoch, or a small share of them.

    With one update an epoch, or few updates in all, there is nothing to smooth.
    """
    an_epoch = result.epochs.length // result.curve.length
    if result.epochs.length == 1 or points < 2 * _MEAN_SHARE:
        return an_epoch if 1 < an_epoch <= points // 2 else 1
    return an_epoch if an_epoch <= points // 4 and an_epoch > 1 else points // _MEAN_SHARE


def _legend_below(axes: Any, handles: Sequence[Any]) -> None:
    axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(-0.02, -0.13), ncols=4, frameon=False,
        fontsize=8.5, handletextpad=0.5, columnspacing=1.6, borderaxespad=0.0,
    )  # fmt: skip


def _running_mean(values: Floats, window: int) -> Floats:
    sums = np.cumsum(np.concatenate(([0.0], values)))
    means: Floats = (sums[window:] - sums[:-window]) / window
    return means


# what was learnt


def _draw_what_was_learnt(figure: Any, axes: Any, result: Result, inputs: Sequence[str]) -> None:
    """Draw how the outputs lie to the targets; how well they do stands in the title."""
    score = _shown(result)
    classes = score.accuracy is not None
    outputs = result.case.network.nodes[-1]
    if result.case.network.nodes[0] == 2 and (classes or outputs == 1):
        _draw_plane(figure, axes, result, inputs)
    elif not classes:
        _draw_targets(axes, score)
    elif outputs == 1:
        _draw_strips(axes, score)
    else:
        _draw_confusion(axes, score)
    kind = "validation" if result.validation else "training"
    mark = f"mean E {error_text(score.error)}"
    if score.accuracy is not None:
        mark = accuracy_text(score.accuracy)
    axes.set_title(f"What was learnt  ·  {kind}: {mark}")


def _shown(result: Result) -> Score:
    score = result.validation or result.training
    assert score is not None, "the run diverged"  # noqa: S101 - the caller's promise
    return score


def _draw_plane(figure: Any, axes: Any, result: Result, inputs: Sequence[str]) -> None:
    """The plane of two inputs: the output as a shade, the boundary, the samples on top."""
    sets = [_coordinates(result.case.samples), _coordinates(result.case.validation)]
    limits = [_limits(np.concatenate([points[:, axis] for points in sets])) for axis in (0, 1)]
    across, up = (np.linspace(*limit, _GRID) for limit in limits)
    grid = np.stack([part.ravel() for part in np.meshgrid(across, up)], axis=1)
    with np.errstate(all="ignore"):
        values = np.asarray(result.outputs(grid))
    extent = (*limits[0], *limits[1])
    colour = _shade(figure, axes, result, values, extent)
    _draw_samples(axes, result, sets, colour)
    axes.set(xlim=limits[0], ylim=limits[1])
    names = list(inputs) if len(inputs) == 2 else ["input 1", "input 2"]
    axes.set_xlabel(_cut(names[0], 40), parse_math=False)
    axes.set_ylabel(_cut(names[1], 40), parse_math=False)


def _shade(
    figure: Any, axes: Any, result: Result, values: Floats, extent: tuple[float, ...]
) -> Callable[[Floats], Any]:
    """Shade the plane; return how a sample's colour follows from its target."""
    from matplotlib.colors import LinearSegmentedColormap, ListedColormap, to_rgb  # noqa: PLC0415

    place = {"origin": "lower", "extent": extent, "aspect": "auto"}
    classes = _shown(result).accuracy is not None
    single = values.shape[1] == 1
    if not classes:
        targets = np.array([sample.target[0] for sample in result.case.samples])
        low, high = _limits(targets)
        image = axes.imshow(_square(values[:, 0]), cmap="viridis", vmin=low, vmax=high, **place)
        _colour_bar(figure, axes, image)
        return lambda rows: {"c": rows[:, 0], "cmap": "viridis", "vmin": low, "vmax": high}
    if single:
        shades = LinearSegmentedColormap.from_list("", [COLOURS[0], "#f7f5f2", COLOURS[1]])
        image = axes.imshow(
            _square(values[:, 0]), cmap=shades, vmin=0, vmax=1, alpha=0.55,
            interpolation="bilinear", **place,
        )  # fmt: skip
        _colour_bar(figure, axes, image)
        _contour(axes, _square(values[:, 0]) - THRESHOLD, extent)
    else:
        names = [COLOURS[n % len(COLOURS)] for n in range(values.shape[1])]
        winners = classes_of(values)
        pale = ListedColormap([tuple(0.35 * c + 0.65 for c in to_rgb(name)) for name in names])
        axes.imshow(
            _square(winners), cmap=pale, vmin=-0.5, vmax=len(names) - 0.5,
            interpolation="nearest", **place,
        )  # fmt: skip
        for n in range(len(names)):
            rivals = np.delete(values, n, axis=1).max(axis=1)
            _contour(axes, _square(values[:, n] - rivals), extent)
    return lambda rows: {"c": [COLOURS[n % len(COLOURS)] for n in classes_of(rows)]}


def _square(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(_GRID, _GRID)


def _contour(axes: Any, surface: Floats, extent: tuple[float, ...]) -> None:
    """Draw where a surface crosses 0, if it does."""
    if np.nanmin(surface) < 0 < np.nanmax(surface):
        axes.contour(surface, levels=[0.0], colors=INK, linewidths=1.3, extent=extent)


def _colour_bar(figure: Any, axes: Any, image: Any) -> None:
    bar = figure.colorbar(image, ax=axes, pad=0.02, aspect=28)
    bar.outline.set_visible(False)
    bar.set_label("output")


def _draw_samples(
    axes: Any, result: Result, sets: list[Floats], colour: Callable[[Floats], Any]
) -> None:
    """Training samples full, validation samples hollow; of very many an even selection."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 - an extra

    def handle(label: str, edge: str, face: str) -> Any:
        return Line2D([], [], ls="", marker="o", ms=5.5, mec=edge, mfc=face, label=label)

    classes = _shown(result).accuracy is not None
    handles = _class_handles(handle, result.case.network.nodes[-1]) if classes else []
    for points, samples, hollow, name in (
        (sets[0], result.case.samples, False, "training"),
        (sets[1], result.case.validation, True, "validation"),
    ):
        if not len(points):
            continue
        chosen = _evenly(len(points))
        targets = np.array([samples[n].target for n in chosen])
        size = float(np.clip(2_200 / len(chosen), 7, 34))
        drawn = axes.scatter(
            points[chosen, 0], points[chosen, 1], s=size, zorder=3, **colour(targets),
            edgecolors="white", linewidths=0.7 if size > 12 else 0.0,
        )  # fmt: skip
        if hollow and classes:
            drawn.set_edgecolors(drawn.get_facecolors())
            drawn.set_facecolors("white")
            drawn.set_linewidths(1.5 if size > 12 else 0.9)
        elif hollow:  # the colour is the target, so only the edge tells them apart
            drawn.set_edgecolors(INK)
            drawn.set_linewidths(1.2 if size > 12 else 0.5)
        some = "" if len(chosen) == len(points) else f", {len(chosen):,} of {len(points):,}"
        edge = (PALE if classes else INK) if hollow else "none"
        handles.append(handle(name + some, edge, "white" if hollow and classes else PALE))
    _legend_below(axes, handles)


def _class_handles(handle: Callable[[str, str, str], Any], outputs: int) -> list[Any]:
    """Return what the legend says of the classes: 0 and 1, or the outputs from 1 on."""
    names = range(2) if outputs == 1 else range(1, outputs + 1)
    if len(names) > len(COLOURS):
        return []
    return [handle(f"class {name}", "none", COLOURS[n]) for n, name in enumerate(names)]


def _evenly(count: int) -> NDArray[np.intp]:
    """Return which of so many samples are drawn."""
    return np.unique(np.linspace(0, count - 1, min(count, _MOST_DOTS)).astype(np.intp))


def _coordinates(samples: Sequence[Any]) -> Floats:
    return np.array([sample.input for sample in samples], dtype=np.float64).reshape(-1, 2)


def _limits(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.08 * (high - low) or max(abs(low), 1.0) / 2
    return low - margin, high + margin


def _draw_strips(axes: Any, score: Score) -> None:
    """One output, more inputs than a plane has: where the outputs of each class lie."""
    outputs, targets = score.outputs[:, 0], classes_of(score.targets)
    axes.axvline(THRESHOLD, color=INK, lw=1.1)
    for target in (0, 1):
        mine = np.sort(outputs[targets == target])
        if not len(mine):
            continue
        chosen = mine[_evenly(len(mine))]
        # spread evenly and the same every time, where chance would do it otherwise
        spread = (np.arange(len(chosen)) * _GOLDEN) % 1 - 0.5
        size = float(np.clip(3_000 / len(chosen), 6, 40))
        right = (chosen > THRESHOLD) == bool(target)
        for those, face in ((right, COLOURS[target]), (~right, "white")):
            axes.scatter(
                chosen[those], target + 0.62 * spread[those], s=size, c=face, alpha=0.75,
                edgecolors=COLOURS[target], linewidths=0.8, zorder=3,
            )  # fmt: skip
        wrong = int(np.sum((mine > THRESHOLD) != bool(target)))
        axes.text(
            0.5, target + 0.42, f"target {target}: {len(mine) - wrong:,} of {len(mine):,} right",
            transform=axes.get_yaxis_transform(), ha="center", va="bottom", color=COLOURS[target],
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip
    low, high = min(0.0, float(outputs.min())), max(1.0, float(outputs.max()))
    margin = 0.03 * (high - low)
    axes.set(xlim=(low - margin, high + margin), ylim=(-0.5, 1.65))
    axes.set_yticks([0, 1], ["target 0", "target 1"])
    axes.set_xlabel("output (class 1 above 0.5; hollow: wrong)")


def _draw_confusion(axes: Any, score: Score) -> None:
    """Several outputs: how often each class is taken for each other."""
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415 - an extra

    assert score.accuracy is not None  # noqa: S101 - the outputs are classes
    counts = np.array(score.accuracy.confusion, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    blues = LinearSegmentedColormap.from_list("", ["#ffffff", LINE])
    axes.imshow(shares, cmap=blues, vmin=0, vmax=1)
    size = len(counts)
    if size <= 12:
        for row in range(size):
            for column in range(size):
                axes.text(
                    column, row, f"{counts[row, column]:,.0f}", ha="center", va="center",
                    color="white" if shares[row, column] > THRESHOLD else INK,
                )  # fmt: skip
    if size <= 20:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(range(size), [str(n + 1) for n in range(size)])
            axis.set_ticks(np.arange(size + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="#d0d7de", lw=0.8)
    axes.spines[:].set_visible(False)
    axes.tick_params(which="both", length=0)
    axes.set(xlabel="predicted class (the largest output)", ylabel="target class")


def _draw_targets(axes: Any, score: Score) -> None:
    """Targets that are no classes: each output beside its target."""
    low, high = _limits(np.concatenate([score.targets.ravel(), score.outputs.ravel()]))
    axes.plot([low, high], [low, high], color=PALE, lw=1.0, zorder=1)
    chosen = _evenly(score.samples)
    shown = min(score.targets.shape[1], len(COLOURS))
    for n in range(shown):
        axes.scatter(
            score.targets[chosen, n], score.outputs[chosen, n], s=16, alpha=0.8, linewidths=0,
            c=COLOURS[(n + 1) % len(COLOURS)], label=f"output {n + 1}",
        )  # fmt: skip
    if shown > 1:
        axes.legend(frameon=False, loc="upper left")
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="target", ylabel="output")
