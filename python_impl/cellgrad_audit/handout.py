"""A folder of probes for code that cannot read JSON: cases, C headers, tables to fill in."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from string import Template

from cellgrad.case.model import Case, case_document
from cellgrad.case.quantities import ACTIVATIONS, LOSSES, OPTIMIZERS, UPDATES
from cellgrad.errors import InputError, printable
from cellgrad_audit.targets.folder import SUFFIX, template

_TEMPLATES = Path(__file__).parent / "templates"


def files_of(cases: Sequence[Case]) -> dict[str, bytes]:
    """Return the files of a handout by name.

    Args:
        cases: the probes.
    """
    files = {"README.txt": (_TEMPLATES / "probes.txt").read_bytes()}
    for case in cases:
        document = json.dumps(case_document(case), indent=1, ensure_ascii=False)
        files[f"{case.id}.json"] = (document + "\n").encode()
        files[f"{case.id}.h"] = c_header(case).encode()
        files[f"{case.id}{SUFFIX}"] = template(case)
    return files


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of files: all of it or nothing.

    A new folder is written beside its place and renamed. An empty one stays (somebody may
    be working in it); files are written in a folder within it and then moved up.

    Raises:
        InputError: there is something already, or the place cannot be written.
    """
    beside: Path | None = None
    moved: list[Path] = []
    try:
        target = path.resolve()
        new = not target.exists()
        if not new and not (target.is_dir() and not any(target.iterdir())):
            what = "the folder is not empty" if target.is_dir() else "a file of this name exists"
            raise InputError(what, file=path, remedy="choose another place with -o")
        where = target.parent if new else target
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.", dir=where))
        for name, data in files.items():
            (beside / name).write_bytes(data)
        if new:
            beside.chmod(_plain_mode())
            beside.rename(target)
        else:
            for name in files:
                moved.append((beside / name).rename(target / name))  # noqa: PERF401 - one by one
            beside.rmdir()
        moved = []
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle; a NUL character
        raise InputError(
            f"cannot be written ({getattr(error, 'strerror', None) or error})",
            file=path,
            remedy="choose another place with -o, or make room",
        ) from error
    finally:
        for file in moved:
            with contextlib.suppress(OSError):
                file.unlink()
        if beside is not None:
            with contextlib.suppress(OSError):
                shutil.rmtree(beside)


def _plain_mode() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return 0o777 & ~umask


def c_header(case: Case) -> str:
    """Return the header of a case: sizes and words as macros, numbers as constant arrays.

    Numbers are hexadecimal floats, which a compiler reads without rounding, with the same
    number as a decimal in a comment.
    """
    network, told = case.network, case.conventions
    last = len(network.weights)
    kinds = {0: "inputs", last: "outputs"}
    rate = case.learning_rate
    return Template((_TEMPLATES / "probe.h").read_text("utf-8")).substitute(
        id=_comment(case.id),
        title=_comment(case.title),
        guard="CELLGRAD_" + "".join(c if c.isalnum() else "_" for c in case.id.upper()) + "_H",
        layers=last,
        node_counts="\n".join(
            f"#define PROBE_NODES_{k} {n} /* {kinds.get(k, 'hidden nodes')} */"
            for k, n in enumerate(network.nodes)
        ),
        most_nodes=max(network.nodes),
        samples=len(case.samples),
        epochs=case.epochs,
        batch=case.batch(),
        updates=case.updates(),
        has_biases=int(network.biases is not None),
        words="\n".join(
            f"#define PROBE_{word.upper()} {n}"
            for words in _VOCABULARY
            for n, word in enumerate(words, start=1)
        ),
        rule="\n".join(_rule(case)),
        update_biases=int(told.update_biases),
        decay_biases=int(told.decay_biases),
        rate_in_velocity=int(told.rate_in_velocity),
        error_sign=-1 if told.error_sign == "target_minus_output" else 1,
        nodes=_list(map(str, network.nodes)),
        activations=_list(f"PROBE_{word.upper()}" for word in network.activations),
        activation_names=_list(f'"{word}"' for word in network.activations),
        parameters="\n".join(_parameters(case)),
        inputs=_rows(sample.input for sample in case.samples),
        targets=_rows(sample.target for sample in case.samples),
        rates=_numbers(rate if isinstance(rate, tuple) else (rate,) * case.updates()),
    )


_VOCABULARY = (*(ACTIVATIONS, LOSSES, UPDATES, OPTIMIZERS),)


def _rule(case: Case) -> Iterator[str]:
    """Yield the words of a case, and the numbers of its optimiser and activations."""
    optimizer = case.optimizer
    for name, word in (("LOSS", case.loss), ("UPDATE", case.update), ("OPTIMIZER", optimizer.name)):
        yield f"#define PROBE_{name} PROBE_{word.upper()}"
        yield f'#define PROBE_{name}_NAME "{word}"'
    own = ("beta1", "beta2", "epsilon") if optimizer.name == "adam" else ("momentum",)
    numbers = {name: getattr(optimizer, name) for name in ("weight_decay", *own)}
    if "leaky_relu" in case.network.activations:
        numbers["leaky_slope"] = case.network.leaky_slope
    for name, number in numbers.items():
        yield f"#define PROBE_{name.upper()} {_hexadecimal(number)} /* {number!r} */"


def _parameters(case: Case) -> Iterator[str]:
    """Yield the weights and biases, layer by layer, and pointers to the layers."""
    weights, biases = case.network.weights, case.network.biases
    pointers = "static const double *const probe_{}[PROBE_LAYERS] = {{{}}};"
    for k, layer in enumerate(weights):
        size = f"[PROBE_NODES_{k}][PROBE_NODES_{k + 1}]"
        yield f"static const double probe_weights_{k}{size} = {{\n{_rows(layer)}\n}};"
    first = (f"&probe_weights_{k}[0][0]" for k in range(len(weights)))
    yield pointers.format("weights", _list(first))
    if biases is not None:
        for k, own in enumerate(biases):
            name = f"probe_biases_{k}[PROBE_NODES_{k + 1}]"
            yield f"static const double {name} = {{\n{_numbers(own)}\n}};"
        layers = (f"probe_biases_{k}" for k in range(len(biases)))
        yield pointers.format("biases", _list(layers))


def _numbers(values: Sequence[float]) -> str:
    return "\n".join(f"    {_hexadecimal(x)}, /* {x!r} */" for x in values)


def _rows(rows: Iterable[Sequence[float]]) -> str:
    return "\n".join(
        f"    {{{_list(map(_hexadecimal, row))}}}, /* {_list(map(repr, row))} */" for row in rows
    )


def _list(items: Iterable[str]) -> str:
    return ", ".join(items)


def _hexadecimal(value: float) -> str:
    """Return a C99 hexadecimal float without needless zeros: ``0x1.8p-1``."""
    mantissa, exponent = value.hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}p{exponent}"


def _comment(text: str) -> str:
    """Return a text that neither ends a comment nor means anything to a preprocessor."""
    plain = printable(text).encode("ascii", "replace").decode()
    for mark in ("*/", "/*", "??", "\\", '"'):
        plain = plain.replace(mark, "'" * len(mark))
    return plain
