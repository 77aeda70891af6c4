"""Pages for a student and for a lecturer, and what they and the workbook say alike."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace

import pytest

from browser import Tree, browsed, chromium
from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_coursework.model import (
    BLANK,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    VERDICTS,
    WRONG,
)
from cellgrad_coursework.results.autograders import gradescope_results
from cellgrad_coursework.results.feedback import workbook_bytes
from cellgrad_coursework.results.pages import class_page, student_page
from cellgrad_coursework.results.summary import COLOURS, MARKS, summary
from cellgrad_coursework.results.write import write_all
from graded import (
    HOSTILE,
    grade,
    handout,
    manifest,
    mistaken,
    mixed,
    opened,
    roster,
    unreadable,
)

PICTURE = '<script src="https://example.org/x.js"></script>'


def hostile_page():
    cells = manifest().cells
    student = replace(roster(1)[0], name=HOSTILE, id=HOSTILE)
    one = mixed(student=student, file=HOSTILE)
    one.verdicts = [replace(v, formula=HOSTILE, message=f"{PICTURE}{HOSTILE}")
                    for v in one.verdicts]  # fmt: skip
    named = replace(manifest(), title=HOSTILE + PICTURE,
                    cells=tuple(replace(c, label=HOSTILE) for c in cells))  # fmt: skip
    return student_page(named, one)


@pytest.mark.parametrize("text", ["student", "hostile", "unreadable", "class"])
def test_a_page_is_whole_in_itself_and_runs_nothing(text, tmp_path):
    pages = {
        "student": lambda: student_page(manifest(), mistaken()),
        "hostile": hostile_page,
        "unreadable": lambda: student_page(manifest(), unreadable(HOSTILE)),
        "class": lambda: hostile_class(tmp_path),
    }
    page = pages[text]()
    seen = Tree(page)
    tags = {tag for tag, _ in seen.elements}
    assert not {"script", "img", "link", "iframe", "object", "base", "form"} & tags
    names = {name for _, attributes in seen.elements for name in attributes}
    assert not {n for n in names if n.startswith("on")} | ({"src", "href", "action"} & names)
    assert seen.has("meta", content="default-src 'none'; style-src 'unsafe-inline'")
    assert not seen.errors
    assert "\x1b" not in "".join(seen.text)
    assert "url(" not in page


def hostile_class(folder):
    student = replace(roster(1)[0], name=HOSTILE)
    one = mixed(student=student, file=HOSTILE)
    one.review, one.notes, one.copying = [PICTURE], [PICTURE], [PICTURE]
    write_all(folder, replace(manifest(), title=PICTURE), [one, unreadable(PICTURE)], [student])
    return (folder / "class.html").read_text("utf-8")


def test_the_page_says_what_the_workbook_says():
    text = " ".join("".join(Tree(student_page(manifest(), mistaken())).text).split())
    entry = by_id()["updated-output-weights"]
    for words in ("1 root cause, 24 consequences", "58 of 59 points", entry.title, entry.why,
                  entry.fix, "=I23*O18*I14", "24 cells after it follow from it"):  # fmt: skip
        assert words in text
    for cell in manifest().cells:
        assert f"{cell.address} " in text


def test_lateness_is_said_on_the_page_and_in_the_workbook():
    one = mistaken(student=roster(2)[1])
    words = "58 points less 10 % (late)"
    assert words in student_page(manifest(), one)
    sheet = opened(workbook_bytes(manifest(), one, handout()))["Feedback"]
    assert words in [cell.value for row in sheet.iter_rows() for cell in row]
    assert "52.2 of 59 points" in [cell.value for row in sheet.iter_rows() for cell in row]


def test_what_a_person_looks_at_costs_nothing_yet():
    a, b, c = (cell.address for cell in manifest().cells[:3])
    one = grade({a: REVIEW, b: {"verdict": REVIEW, "points": 0.5}, c: WRONG})
    told = summary(one)
    assert (told.open, [c.lost for c in told.causes]) == (1.5, [0, 1])
    assert [c.open_words for c in told.causes] == ["1.5 points open", ""]
    text = " ".join("".join(Tree(student_page(manifest(), one)).text).split())
    assert "To be looked at by a person (1.5 points open)" in text
    assert "1.5 points open: a person will look at it, and the score may rise" in text
    assert text.count("−") == 1  # the mistake's
    texts = _texts(opened(workbook_bytes(manifest(), one, handout()))["Feedback"])
    assert texts[texts.index("points") + 1] == "1.5 points open"
    assert summary(grade({a: REVIEW})).open_words == "1 point open"
    assert summary(grade()).open_words == ""


def _texts(sheet):
    return [str(cell.value) for row in sheet.iter_rows() for cell in row if cell.value is not None]


def test_only_mistakes_have_numbers():
    a, b, c, d = (cell.address for cell in manifest().cells[:8:2])
    one = grade({a: BLANK, b: WRONG, c: REVIEW, d: HARDCODED})
    told = summary(one)
    assert told.sentence.startswith("2 root causes, ")
    assert [number for number, _ in told.numbered] == [0, 1, 0, 2]
    text = student_page(manifest(), one)
    assert re.findall(r'<li class="([\w -]+)"(?: value="(\d)")?>', text) == [
        ("blank apart", ""), ("wrong", "1"), ("review apart", ""), ("hardcoded", "2"),
    ]  # fmt: skip
    assert ".apart { list-style: none" in text
    texts = _texts(opened(workbook_bytes(manifest(), one, handout()))["Feedback"])
    heads = [text[:3] for text in texts if any(cause.title in text for cause in told.causes)]
    labels = [cause.first.cell.label for cause in told.causes]
    assert heads == [labels[0][:3], "1. ", labels[2][:3], "2. "]
    output = gradescope_results(one)["output"]
    assert f"\n1. {labels[1]}" in output
    assert f"\n{labels[2]}" in output


def test_no_two_verdicts_look_alike():
    assert len(set(COLOURS.values())) == len(COLOURS)
    signs = {MARKS[verdict] for verdict in VERDICTS if verdict not in (OK, OK_ECF)}
    assert len(signs) == len(VERDICTS) - 2
    text = class_page(manifest(), [])
    in_the_light = text[text.index("--c-") :].partition("@media")[0]
    fills = dict(re.findall(r"--c-([\w-]+): (#\w{6})", in_the_light))
    used = dict(re.findall(r"\.s-([\w-]+) \{ fill: var\(--c-([\w-]+)\)", text))
    assert set(used) == set(VERDICTS)
    for verdict, name in used.items():
        assert fills[name] == f"#{COLOURS[verdict].lower()}"


def test_what_follows_is_not_called_right(tmp_path):
    write_all(tmp_path, manifest(), [mistaken()], roster(1))
    text = (tmp_path / "class.html").read_text("utf-8")
    assert ">right or follows</th>" in text
    assert ">right</th>" not in text


def test_the_class_page_counts_mistakes_once_a_student(tmp_path):
    students = roster(6)
    grades = [mistaken(student=s, file=f"{s.id}.xlsx") for s in students[:4]]
    grades += [mistaken(student=students[0], file="again.xlsx"), grade(student=students[4])]
    grades[-2].superseded = "s000.xlsx"
    write_all(tmp_path, manifest(), grades, students)
    seen = Tree((tmp_path / "class.html").read_text("utf-8"))
    text = " ".join(" ".join(seen.text).split())
    title = by_id()["updated-output-weights"].title
    assert f"4 {title} {manifest_label('I10')} (4)" in text
    assert "1 student handed nothing in" in text
    assert "which counts" in text


def test_a_mistake_that_a_student_makes_twice_counts_once(tmp_path):
    bug = {"verdict": WRONG, "bug": "updated-output-weights"}
    write_all(tmp_path, manifest(), [grade({"I10": bug, "J10": bug})], roster(1))
    seen = Tree((tmp_path / "class.html").read_text("utf-8"))
    title = by_id()["updated-output-weights"].title
    assert f"1 {title} " in " ".join(" ".join(seen.text).split())


def manifest_label(address):
    return next(c.label for c in manifest().cells if c.address == address)


def test_a_class_without_a_submission_has_a_page():
    assert "No submission could be graded" in class_page(manifest(), [])


def printed_pages(text, tmp_path):

    (tmp_path / "page.html").write_text(text, "utf-8")
    subprocess.run(
        [chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
         f"--user-data-dir={tmp_path / 'print'}", f"--print-to-pdf={tmp_path / 'page.pdf'}",
         (tmp_path / "page.html").as_uri()],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    data = (tmp_path / "page.pdf").read_bytes()
    return len(re.findall(rb"/Type\s*/Page\b", data))


@pytest.mark.slow
def test_chromium_prints_the_students_page_on_one_sheet(tmp_path):
    cells = [cell.address for cell in manifest().cells]
    many = grade({at: {"verdict": WRONG, "bug": "updated-output-weights", "formula": "=1+" * 90}
                  for at in cells})  # fmt: skip
    assert printed_pages(student_page(manifest(), mistaken()), tmp_path) == 1
    assert printed_pages(student_page(manifest(), many), tmp_path) == 1


@pytest.mark.slow
def test_chromium_shows_the_pages_without_a_complaint_or_a_request(tmp_path):

    (tmp_path / "out").mkdir()
    for name, text in (("student", hostile_page()), ("class", hostile_class(tmp_path / "out"))):
        path = tmp_path / f"{name}.html"
        path.write_text(text, "utf-8")
        tree, said, asked = browsed(path, tmp_path)
        assert said == []
        assert asked == []
        assert not tree.has("script")
        assert tree.has("svg")
