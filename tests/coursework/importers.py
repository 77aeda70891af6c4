"""The importers of several platforms, by the rules of their own documentation."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile


def table(path):
    """Read a CSV file into its header and its rows."""
    rows = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    assert len({len(row) for row in rows}) == 1
    return rows[0], rows[1:]


def records(path):
    header, rows = table(path)
    return [dict(zip(header, row, strict=True)) for row in rows]


class CanvasCourse:
    """A course into which a gradebook is imported, by the rules of Canvas's own importer."""

    def __init__(self, users, assignments):
        self.users, self.assignments = users, dict(assignments)
        self.grades, self.points, self.new = {}, {}, []

    def import_csv(self, data):  # noqa: C901 - its rules stand here one after another
        text = data.decode("utf-8")
        first = text.splitlines()[:3]
        counts = {
            sign: {len(next(csv.reader([line], delimiter=sign))) for line in first} for sign in ";,"
        }
        width = {sign: c.pop() if len(c) == 1 else 0 for sign, c in counts.items()}
        sign = ";" if width[";"] > width[","] else ","
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=sign))
        header = rows[0]
        assert len(header) > 3
        assert "Student" in header[0]
        assert "ID" in header[1]
        student_columns, sis_user, sis_login = 3, None, None
        if re.search(r"SIS\s+Login\s+ID", header[2]):
            sis_login, student_columns = 2, 4
        elif re.search(r"SIS\s+User\s+ID", header[2]) and re.search(r"SIS\s+Login\s+ID", header[3]):
            sis_user, sis_login, student_columns = 2, 3, 5
        assert "Section" in header[student_columns - 1]
        columns = {}
        for place, name in enumerate(header[student_columns:], student_columns):
            match = re.fullmatch(r"(.*)\s\((\d+)\)", name)
            known = int(match[2]) if match and int(match[2]) in self.assignments else None
            if known is None:
                known = next((i for i, t in self.assignments.items() if t == name), None)
            if known is None:
                known = -len(self.new) - 1
                self.new.append(name)
            columns[place] = known
        for row in rows[1:]:
            if "Points Possible" in row[0]:
                self.points = {columns[p]: float(row[p]) for p in columns}
                continue
            user = self._user(row, sis_user, sis_login)
            assert user is not None, row
            for place, assignment in columns.items():
                value = row[place].strip()
                if re.fullmatch(r"-?[0-9.,]+%?", value):  # a comma may stand for the point
                    *whole, last = re.split(r"[,.]", value)
                    value = f"{''.join(whole)}.{last}" if whole else last
                if value.upper() == "EX":
                    self.grades[user, assignment] = "EX"
                elif value not in ("", "-"):
                    self.grades[user, assignment] = float(value)

    def _user(self, row, sis_user, sis_login):
        if row[1]:
            leading = re.match(r"\d*", row[1])[0]
            if int(leading or 0) in self.users:
                return int(leading or 0)
        for column, key in ((sis_user, "sis"), (sis_login, "login")):
            if column is not None and row[column]:
                for number, user in self.users.items():
                    if user.get(key) == row[column]:
                        return number
        return next((n for n, user in self.users.items() if user["name"] == row[0]), None)


def canvas_users(students):
    return {900 + n: {"name": s.name, "login": s.id} for n, s in enumerate(students)}


def moodle_import(data, participants, maximum, modified=None):
    """Return the grades that Moodle's offline worksheet sets, by the rules of its importer."""
    rows = list(csv.reader(io.StringIO(data.decode("utf-8").lstrip("\ufeff"), newline="")))
    header = rows[0]
    place = {name: header.index(name) for name in ("Identifier", "Grade", "Last modified (grade)")}
    grades = {}
    for row in rows[1:]:
        number = row[place["Identifier"]][len("Participant ") :]
        if number not in participants:
            continue
        text = row[place["Grade"]].strip().replace(" ", "")
        if text == "":
            continue
        value = float(text)
        if not 0 <= value <= maximum:
            continue
        if (modified or {}).get(number) and not row[place["Last modified (grade)"]]:
            continue  # graded there since the worksheet was downloaded
        grades[number] = value
    return grades


def gradescope_accepts(document):
    """Check a results.json by the documented rules; return its score and its maximum."""
    known = {
        "score", "execution_time", "output", "output_format", "test_output_format",
        "test_name_format", "visibility", "stdout_visibility", "extra_data", "tests", "leaderboard",
    }  # fmt: skip
    visibilities = {"hidden", "after_due_date", "after_published", "visible"}
    formats = {"text", "html", "simple_format", "md", "ansi"}
    assert set(document) <= known
    assert isinstance(document["score"], (int, float))
    assert document["visibility"] in visibilities
    assert document["stdout_visibility"] in visibilities
    for name in ("output_format", "test_output_format", "test_name_format"):
        assert document[name] in formats
    for test in document["tests"]:
        assert set(test) <= {
            "score", "max_score", "status", "name", "name_format", "number", "output",
            "output_format", "tags", "visibility", "extra_data",
        }  # fmt: skip
        assert test["status"] in ("passed", "failed")
        assert test["visibility"] in visibilities
        assert isinstance(test["number"], str)
        assert all(isinstance(tag, str) for tag in test["tags"])
        assert isinstance(test["score"], (int, float))
    return document["score"], sum(test["max_score"] for test in document["tests"])


def prairielearn_accepts(document):
    """Check a results.json by the documented rules; return its score, None if not gradable."""
    assert len(json.dumps(document, ensure_ascii=False).encode()) <= 1_000_000
    if not document.get("gradable", True):
        errors = document["format_errors"]
        assert isinstance(errors, str) or all(isinstance(error, str) for error in errors)
        return None
    assert 0.0 <= document["score"] <= 1.0
    with_points = [("points" in t, "max_points" in t) for t in document["tests"]]
    assert set(with_points) <= {(True, True)}
    for test in document["tests"]:
        assert isinstance(test["name"], str)
        assert isinstance(test["message"], str)
        assert isinstance(test["description"], str)
    return document["score"]


def localised_import(data, heads, word, maximum):
    """Return the grades that a site in another language sets: it looks for its own words."""
    rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    identifier, mark, date = (rows[0].index(head) for head in heads)
    assert date > mark
    found = {}
    for row in rows[1:]:
        number = row[identifier][len(word) :]  # whatever stands there
        assert row[identifier] == f"{word}{number}"
        if row[mark]:
            assert 0 <= float(row[mark]) <= maximum
            found[number] = float(row[mark])
    return found


def moodle_feedback(data, participants):
    """Return what Moodle's importer of feedback makes of a zip, by its rules."""
    found = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for path in archive.namelist():
            parts = path.split("/")
            while parts:
                info = parts.pop(0).split("_", 4)
                if len(info) < 4 or not info[1].isdecimal() or info[1] not in participants:
                    continue
                if info[2:4] != ["assignsubmission", "file"]:
                    continue
                name = "/".join([*info[4:], *parts]).lstrip("/")
                found.setdefault(info[1], []).append((name, archive.read(path)))
                break
    return found
