"""A folder of probes for code that cannot read JSON: cases, C headers, tables to fill in."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cellgrad.case import vocabulary
from cellgrad.case.model import Case
from cellgrad.case.write import case_document
from cellgrad.errors import InputError, printable
from cellgrad_audit.targets.folder import SUFFIX, template

README = """\
Probes for code that cannot read JSON
=====================================

Each probe NAME is a small training run in three files:

  NAME.h            the run as a C99 header: sizes, weights, samples, learning rates
  NAME.json         the same as JSON
  NAME.answers.csv  the table to fill in

1. Build your training code once with each header. Start from the weights in it and make
   every update: PROBE_EPOCHS times through the samples in their order, PROBE_BATCH
   samples an update, probe_rates[n] for update n.

2. Fill in the final weights and biases, the column "value" of NAME.answers.csv. Or print
   the whole table:

     printf("quantity,index,value\\n");
     for (k = 0; k < PROBE_LAYERS; k++)
       for (i = 0; i < probe_nodes[k]; i++)
         for (j = 0; j < probe_nodes[k + 1]; j++)
           printf("weights,[%d][%d][%d],%a\\n", k, i, j, WEIGHT);
     for (k = 0; k < PROBE_LAYERS; k++)
       for (j = 0; j < probe_nodes[k + 1]; j++)
         printf("biases,[%d][%d],%a\\n", k, j, BIAS);

   WEIGHT goes from node i of layer k to node j of layer k+1, BIAS belongs to node j of
   layer k+1; all of them count from 0. Leave out biases where PROBE_HAS_BIASES is 0.

   A value is a hexadecimal float (%a, the best choice) or a decimal. A decimal stands for
   everything that rounds to it, so print as many digits as you have (%.17g), all with the
   same format: where one number shows far fewer digits than the others, the rest of its
   digits are taken to be zeros.

   A table that a spreadsheet program saved as CSV is read too, with semicolons and decimal
   commas as well; give the column the format "text" first, or its numbers are rounded.

3. Leave the table of a probe blank that your code cannot run (a loss or an activation that
   it lacks). The report then says what was not looked at.

4. Audit the folder:

     cellgrad audit FOLDER
     cellgrad audit FOLDER --tolerance 0.001      fixed-point or table-based code

To find out where a wrong number begins, add rows of what is computed on the way:

     steps.1.pre_activation,[1][0],VALUE      update 1: layer, node
     steps.2.error_signal,[0][3][1],VALUE     update 2 of a batch: layer, sample, node
     steps.1.weight_gradient,[0][2][1],VALUE  update 1: layer, i, j
     steps.1.error,,VALUE                     E before update 1
     final.post_activation,[1][2][0],VALUE    after the run: layer, sample, node

Layer 0 is the first computed layer. The names are those of a trace: pre_activation,
post_activation, final_error, error_derivative, activation_derivative,
backpropagated_error, error_signal, weight_gradient, bias_gradient, weights, biases.
"""


def files_of(cases: Sequence[Case]) -> dict[str, bytes]:
    """Return the files of a handout by name.

    Args:
        cases: the probes.
    """
    files = {"README.txt": README.encode()}
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


_WORDS = (
    ("ACTIVATION", vocabulary.ACTIVATIONS),
    ("LOSS", vocabulary.LOSSES),
    ("UPDATE", vocabulary.UPDATES),
    ("OPTIMIZER", vocabulary.OPTIMIZERS),
)


def c_header(case: Case) -> str:
    """Return the header of a case: sizes and words as macros, numbers as constant arrays.

    Numbers are hexadecimal floats, which a compiler reads without rounding, with the same
    number as a decimal in a comment.
    """
    guard = "CELLGRAD_" + "".join(c if c.isalnum() else "_" for c in case.id.upper()) + "_H"
    blocks = [
        _opening(case, guard),
        _sizes(case),
        _words(),
        _rule(case),
        _network(case),
        _samples(case),
        [f"#endif /* {guard} */"],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _opening(case: Case, guard: str) -> list[str]:
    return [
        f"/* {_comment(case.id)}: {_comment(case.title)}",
        "   Written by cellgrad; README.txt says what to do with it. Every number is exact:",
        "   a hexadecimal float, and the same as a decimal in the comment beside it. */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        "#ifdef PROBE_NAME",
        '#error "one probe at a time: build the program once for each header"',
        "#endif",
        f'#define PROBE_NAME "{_comment(case.id)}"',
    ]


def _sizes(case: Case) -> list[str]:
    nodes = case.network.nodes
    last = len(nodes) - 1
    told = {0: "inputs", last: "outputs"}
    return [
        _macro("LAYERS", last, "layers of weights"),
        *(_macro(f"NODES_{k}", n, told.get(k, "hidden nodes")) for k, n in enumerate(nodes)),
        _macro("MOST_NODES", max(nodes), "of any layer"),
        _macro("SAMPLES", len(case.samples)),
        _macro("EPOCHS", case.epochs, "times through the samples, in their order"),
        _macro("BATCH", case.batch(), "samples an update; the last of an epoch may have fewer"),
        _macro("UPDATES", case.updates(), "in all"),
        _macro("HAS_BIASES", int(case.network.biases is not None)),
    ]


def _words() -> list[str]:
    lines = ["/* what the words below stand for; macros, so that #if can compare them */"]
    for _, words in _WORDS:
        lines += [_macro(word.upper(), n) for n, word in enumerate(words, start=1)]
    return lines


def _rule(case: Case) -> list[str]:
    optimizer, conventions = case.optimizer, case.conventions
    lines = []
    for name, word in (
        ("LOSS", case.loss),
        ("UPDATE", case.update),
        ("OPTIMIZER", optimizer.name),
    ):
        lines += [
            f"#define PROBE_{name} PROBE_{word.upper()}",
            f'#define PROBE_{name}_NAME "{word}"',
        ]
    numbers = {"WEIGHT_DECAY": optimizer.weight_decay}
    if optimizer.name == "adam":
        numbers |= {"BETA1": optimizer.beta1, "BETA2": optimizer.beta2}
        numbers |= {"EPSILON": optimizer.epsilon}
    else:
        numbers |= {"MOMENTUM": optimizer.momentum}
    if "leaky_relu" in case.network.activations:
        numbers |= {"LEAKY_SLOPE": case.network.leaky_slope}
    lines += [f"#define PROBE_{n} {_hexadecimal(x)} /* {x!r} */" for n, x in numbers.items()]
    flips = conventions.error_sign == "target_minus_output"
    return [
        *lines,
        _macro("UPDATE_BIASES", int(conventions.update_biases), "0: they keep their values"),
        _macro("DECAY_BIASES", int(conventions.decay_biases), "1: weight decay acts on them too"),
        _macro("RATE_IN_VELOCITY", int(conventions.rate_in_velocity), "1: v = momentum v + LR g"),
        _macro("ERROR_SIGN", -1 if flips else 1, "1: FE = output - target; -1: target - output"),
    ]


def _network(case: Case) -> list[str]:
    network = case.network
    layers = len(network.weights)
    lines = [
        f"static const int probe_nodes[PROBE_LAYERS + 1] = {{{_list(map(str, network.nodes))}}};",
        "static const int probe_activations[PROBE_LAYERS] = {"
        + _list(f"PROBE_{word.upper()}" for word in network.activations)
        + "};",
        "static const char *const probe_activation_names[PROBE_LAYERS] = {"
        + _list(f'"{word}"' for word in network.activations)
        + "};",
        "",
        "/* probe_weights_k[i][j] goes from node i of layer k to node j of layer k+1; the same",
        "   is probe_weights[k][i * probe_nodes[k + 1] + j]. probe_biases_k[j] belongs to node j",
        "   of layer k+1. */",
    ]
    for k, layer in enumerate(network.weights):
        lines += _matrix(f"probe_weights_{k}[PROBE_NODES_{k}][PROBE_NODES_{k + 1}]", layer)
    lines += _pointers("probe_weights", [f"&probe_weights_{k}[0][0]" for k in range(layers)])
    if network.biases is not None:
        for k, biases in enumerate(network.biases):
            lines += _vector(f"probe_biases_{k}[PROBE_NODES_{k + 1}]", biases)
        lines += _pointers("probe_biases", [f"probe_biases_{k}" for k in range(layers)])
    return lines


def _samples(case: Case) -> list[str]:
    rate = case.learning_rate
    rates = rate if isinstance(rate, tuple) else (rate,) * case.updates()
    inputs = [sample.input for sample in case.samples]
    targets = [sample.target for sample in case.samples]
    return [
        *_matrix("probe_inputs[PROBE_SAMPLES][PROBE_NODES_0]", inputs),
        *_matrix(f"probe_targets[PROBE_SAMPLES][PROBE_NODES_{len(case.network.weights)}]", targets),
        "/* LR of each update */",
        *_vector("probe_rates[PROBE_UPDATES]", rates),
    ]


def _macro(name: str, value: int, told: str = "") -> str:
    return f"#define PROBE_{name} {value}" + (f" /* {told} */" if told else "")


def _vector(name: str, values: Sequence[float]) -> list[str]:
    lines = [f"    {_hexadecimal(x)}, /* {x!r} */" for x in values]
    return [f"static const double {name} = {{", *lines, "};"]


def _matrix(name: str, rows: Iterable[Sequence[float]]) -> list[str]:
    lines = [f"    {{{_list(map(_hexadecimal, r))}}}, /* {_list(map(repr, r))} */" for r in rows]
    return [f"static const double {name} = {{", *lines, "};"]


def _pointers(name: str, targets: list[str]) -> list[str]:
    return [f"static const double *const {name}[PROBE_LAYERS] = {{{_list(targets)}}};"]


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
