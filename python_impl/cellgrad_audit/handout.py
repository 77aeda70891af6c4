"""A folder of probes for code that cannot read JSON: cases, C headers, tables to fill in."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from cellgrad.case.model import Case
from cellgrad.case.write import case_document
from cellgrad.errors import InputError
from cellgrad_audit.targets.answers_table import template
from cellgrad_audit.targets.c_header import c_header
from cellgrad_audit.targets.folder import SUFFIX

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
