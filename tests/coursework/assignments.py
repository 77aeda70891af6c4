"""Assignments to hand out in tests, and a search for answers in what is handed out."""

import csv
import io
import math
import re
import struct
import zipfile
from xml.sax.saxutils import unescape

from cellgrad_coursework.model import Student
from cellgrad_coursework.secret import write_secret
from cellgrad_coursework.setting.assign import assign
from cellgrad_coursework.setting.assignment import parse_assignment
from graded import ROOT

COURSEWORK = ROOT / "python_impl" / "cellgrad_coursework"
EXAMPLE = COURSEWORK / "setting" / "templates"
STUDENTS = [
    Student("s1001", "Amara Okafor"),
    Student("s1002", '=HYPERLINK("http://x","y")'),
    Student("../../etc/passwd", "Chiara"),
]  # fmt: skip
SECRET = bytes(range(32))


def text_of(network="nodes = [2, 2, 1]\nactivations = ['logistic', 'logistic']", **more):
    """Return an assignment; ``more`` are further lines of its tables."""
    training = more.pop("training", "loss = 'half_squared_error'\nlearning_rate = 0.4")
    rest = "\n".join(f"[{name}]\n{lines}" for name, lines in more.items())
    head = "schema = 'cellgrad-assignment/1'\nid = 'ex-1'\ntitle = 'An exercise'\n"
    return f"{head}[network]\n{network}\n[training]\n{training}\n{rest}\n"


def assignment_of(**parts):
    return parse_assignment(text_of(**parts).encode())


NETWORKS = [
    ("[3, 4, 1]", "['logistic', 'logistic']", "half_squared_error", 1, "", ""),
    ("[2, 3, 2]", "['tanh', 'tanh']", "squared_error", 1, "", "biases = true"),
    ("[2, 3, 2]", "['relu', 'identity']", "mean_squared_error", 2, "batch_mean", "biases = true"),
    ("[3, 2, 2, 1]", "['leaky_relu', 'tanh', 'logistic']", "binary_cross_entropy", 2,
     "batch_sum", ""),
    ("[2, 3, 3]", "['logistic', 'softmax']", "categorical_cross_entropy", 3, "batch_mean",
     "biases = true"),
    ("[3, 2]", "['unit_step']", "perceptron", 1, "", "biases = true"),
    ("[2, 2]", "['identity']", "half_squared_error", 1, "", ""),
]  # fmt: skip


def of_network(nodes, activations, loss, samples, update, more, *, style="decimal", **parts):
    training = f"loss = '{loss}'\nlearning_rate = 0.3\nsamples = {samples}"
    if update:
        training += f"\nupdate = '{update}'"
    return assignment_of(
        network=f"nodes = {nodes}\nactivations = {activations}\n{more}",
        training=training,
        numbers=f"style = '{style}'",
        **parts,
    )


def hand_out(folder, assignment, students=STUDENTS[:1], name="out", **more):
    """Hand an assignment out in a folder below another, with the usual secret beside it."""
    secret = folder / "ex.secret"
    if not secret.exists():
        kept_secret(folder)
    return assign(assignment, students, folder / name, secret=secret, worksheet=False, **more)


def kept_secret(folder, secret=SECRET):
    write_secret(folder / "ex.secret", secret)
    return folder / "ex.secret"


def workbooks(folder):
    return sorted((folder / "students").iterdir())


def key_of(folder, student_id):
    """Return formula and value of every graded cell, as the key table has them."""
    text = (folder / "lecturer" / "key.csv").read_text("utf-8")
    return [row for row in csv.DictReader(io.StringIO(text)) if row["id"] == student_id]


NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")


def parts_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        return {name: book.read(name).decode("utf-8") for name in book.namelist()}


def forms(value):
    """Return a number as it may be written, with 2 to 17 digits."""
    found = {repr(value), str(value)}
    for digits in range(2, 18):
        found |= {f"{value:.{digits}g}", f"{value:.{digits - 1}e}"}
        if digits <= 15:
            found.add(f"{value:.{digits}f}")
    return found | {text.rstrip("0") for text in found if "e" not in text and "." in text}


def leaks(data, other, values, formulas, givens):
    """Return what of a key stands in a file, as words.

    Args:
        data: the file.
        other: another student's file: what both have says nothing of this one's numbers.
        values: the key's values.
        formulas: the key's formulas.
        givens: the student's own numbers, which must be there.
    """
    found = []
    parts, others = parts_of(data), parts_of(other)
    allowed = {float(g) for g in givens} | {
        float(n) for text in others.values() for n in NUMBER.findall(text)
    }
    secrets = {}
    for value in values:
        for form in forms(value):
            if float(form) not in allowed:
                secrets[form] = value
                secrets[form.lstrip("-").replace(".", ",")] = value
    for name, text in parts.items():
        plain = unescape(text)
        tokens = set(NUMBER.findall(plain)) | set(re.findall(r"\d+,\d{3,}", plain))
        found += [
            f"{name}: the number {token}"
            for token in tokens
            if token in secrets or near_a_secret(token, values, allowed)
        ]
        bare = re.sub(r"[\s$]", "", plain)
        for formula in set(formulas) - {"1"}:  # the derivative of the identity
            wanted = re.sub(r"[\s$]", "", formula)
            if f">{wanted}<" in bare or (len(wanted) > 4 and wanted in bare):
                found.append(f"{name}: the formula {formula}")
    return found + leftovers(data)


def near_a_secret(token, values, allowed):
    """Tell whether a number that may not be there lies within a hundredth of an answer."""
    number = float(token.replace(",", "."))
    return number not in allowed and any(math.isclose(number, v, rel_tol=1e-2) for v in values)


def leftovers(data):
    """Return what a file holds beside its listed parts, and parts that it should not have."""
    found = []
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        entries = sorted(book.infolist(), key=lambda entry: entry.header_offset)
        if book.comment or any(entry.comment for entry in entries):
            found.append("a comment of the archive")
        at = 0
        for entry in entries:
            if entry.header_offset != at:
                found.append(f"{entry.header_offset - at} bytes before {entry.filename}")
            name, extra = struct.unpack("<HH", data[entry.header_offset + 26 :][:4])
            at = entry.header_offset + 30 + name + extra + entry.compress_size
        if book.start_dir != at:
            found.append("bytes before the directory")
        tail = data[book.start_dir :]
        if len(tail) != 22 + sum(
            46 + len(entry.filename.encode()) + len(entry.extra) for entry in entries
        ):
            found.append("bytes behind the directory")
        for name in book.namelist():
            if re.search(
                r"comment|custom|calcChain|external|vba|persons|thread", name, re.IGNORECASE
            ):
                found.append(f"the part {name}")
            if b'state="hidden"' in book.read(name) or b"veryHidden" in book.read(name):
                found.append("a hidden sheet")
    return found


def numbers_of(case):
    network = case.network
    return [
        *(w for layer in network.weights for row in layer for w in row),
        *(b for layer in network.biases or () for b in layer),
        *(v for sample in case.samples for v in (*sample.input, *sample.target)),
        case.learning_rate,
    ]


def planted(data, name, change):
    """Return a file with one part changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for part in old.namelist():
            text = old.read(part)
            new.writestr(part, change(text.decode()).encode() if part == name else text)
        if name not in old.namelist():
            new.writestr(name, change(""))
    return buffer.getvalue()


# rosters, as a lecturer has them and as an LMS exports them

OWN = "id,name,email,section,late\ns1,Ada,a@x.org,A,\ns2,Björn,b@x.org,B,10%\n"


CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Essay (12)\n"
    "    Points Possible,,,,,10\n"
    '"Lovelace, Ada",77,s1,ada,"A, morning",\n'
    '"Ny, Björn",78,s2,bjorn,B,\n'
    '"Student, Test",79,,x,B,\n'
)


MOODLE = (
    "Identifier,Full name,Email address,Status,Grade,Maximum grade\n"
    "Participant 4711,Ada Lovelace,a@x.org,No submission,,100\n"
    "Participant 4712,Björn Ny,b@x.org,No submission,,100\n"
)


PEOPLE = "First name,Last name,ID number,Email address\nAda,Lovelace,s1,a@x.org\nBjörn,Ny,s2,b\n"
