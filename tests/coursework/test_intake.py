"""What was handed in: folders, zips and single files, as learning platforms give them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from cellgrad.errors import InputError
from cellgrad.xlsx.package import Package
from cellgrad_coursework.identity import tokens_in
from cellgrad_coursework.taking_in.intake import Intake
from handed_in import filled, packed

LITTER = {
    ".DS_Store": b"", "a/.DS_Store": b"", "~$s1001.xlsx": b"", ".~lock.s1001.xlsx#": b"",
    "__MACOSX/._s1001.xlsx": b"", "Thumbs.db": b"", "desktop.ini": b"",
    "X Y_1_assignsubmission_onlinetext_/onlinetext.html": b"",
}  # fmt: skip


WORK = {"s1001.xlsx": b"x", "a/notes.txt": b"y", "a/essay.pdf": b"z", "old.XLS": b"o"}


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_litter_is_ignored_and_other_types_are_rows(tmp_path, kind):
    place = tmp_path / "in"
    if kind == "folder":
        filled(place, {**LITTER, **WORK})
    else:
        place = tmp_path / "in.zip"
        place.write_bytes(packed({**LITTER, **WORK}))
    with closing(Intake(place)) as intake:
        assert [one.name for one in intake.submissions] == sorted(WORK)
        problems = {one.name: one.problem for one in intake.submissions}
        assert intake.read(intake.submissions[-1]) == b"x"
        with pytest.raises(InputError, match=r"a \.txt file"):
            intake.read(intake.submissions[1])
    assert problems["s1001.xlsx"] == ""
    assert ".pdf" in problems["a/essay.pdf"]


def test_a_name_that_leads_out_of_the_archive_stays_within_and_is_not_read(tmp_path):
    names = ["../evil.xlsx", "/etc/evil.xlsx", "a/../../evil2.xlsx", "C:/evil3.xlsx"]
    (tmp_path / "in.zip").write_bytes(packed(dict.fromkeys(names, b"x")))
    with closing(Intake(tmp_path / "in.zip")) as intake:
        assert len(intake.submissions) == 4
        for one in intake.submissions:
            assert "leads out" in one.problem
            assert ".." not in Path(one.name).parts
            assert not one.name.startswith("/")


def test_a_link_in_a_folder_is_not_followed(tmp_path):
    filled(tmp_path / "in", {"a.xlsx": b"x"})
    (tmp_path / "in" / "b.xlsx").symlink_to("/etc/passwd")
    with closing(Intake(tmp_path / "in")) as intake:
        assert [one.problem[:6] for one in intake.submissions] == ["", "a link"]


def test_the_output_within_the_submissions_is_none_of_them(tmp_path):
    filled(tmp_path, {"a.xlsx": b"x", "out/feedback/a.xlsx": b"y"})
    with closing(Intake(tmp_path, leave_out=tmp_path / "out")) as intake:
        assert [one.name for one in intake.submissions] == ["a.xlsx"]


@pytest.mark.parametrize(("name", "word"), [("none", "no such"), ("a.txt", "neither")])
def test_what_is_neither_a_folder_nor_a_zip_is_refused(tmp_path, name, word):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(InputError, match=word):
        Intake(tmp_path / name)


def damaged(data):
    """Return a zip whose directory is cut off: as a download that was interrupted."""
    return data[: len(data) - 40]


NESTED = {
    "one.zip": packed({"a.xlsx": b"1", "b/c.xlsx": b"2", "notes.txt": b"", **LITTER}),
    "two.ZIP": packed({"in.zip": packed({"a.xlsx": b""}), "../evil.xlsx": b""}),
    "cut.zip": damaged(packed({"a.xlsx": b"x" * 90})),
    "empty.zip": packed({"__MACOSX/._a.xlsx": b""}),
    "book.zip": packed({"[Content_Types].xml": b"", "xl/workbook.xml": b""}),
    "d.rar": b"Rar!",
    "z.xlsx": b"3",
}


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_zip_among_the_files_is_read_one_level_deep(tmp_path, kind):
    place = tmp_path / "in.zip"
    if kind == "zip":
        place.write_bytes(packed(NESTED))
    else:
        place = filled(tmp_path / "in", NESTED)
    with closing(Intake(place)) as intake:
        found = {one.name: one for one in intake.submissions}
        assert list(found) == sorted(found)
        said = {name: one.problem for name, one in found.items() if one.problem}
        read = {name: intake.read(one) for name, one in found.items() if not one.problem}
        again = {name: intake.read(found[name]) for name in reversed(read)}
    assert read == again == {"one.zip/a.xlsx": b"1", "one.zip/b/c.xlsx": b"2", "z.xlsx": b"3"}
    assert said.pop("one.zip/notes.txt").startswith("a .txt file")
    assert said.pop("two.ZIP/evil.xlsx").startswith("its name leads out")
    assert said == {
        "two.ZIP/in.zip": "a zip within a zip; unpack it",
        "cut.zip": "a damaged zip; download it again",
        "empty.zip": "a zip with nothing in it",
        "book.zip": "a workbook that is called .zip; call it .xlsx",
        "d.rar": "a .rar archive; unpack it",
    }


def test_zips_within_a_zip_have_limits(tmp_path, monkeypatch):
    inner = packed({"a.xlsx": b"", "b.xlsx": b"", "c.xlsx": b""})
    (tmp_path / "in.zip").write_bytes(packed({f"{n}.zip": inner for n in range(3)}))
    size = len(inner)
    for name, limit, left in (("MAX_ZIP", size - 1, 0), ("MAX_ZIPS", 2 * size, 2),
                              ("MAX_ZIP", size, 3)):  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setattr(f"cellgrad_coursework.taking_in.intake.{name}", limit)
            with closing(Intake(tmp_path / "in.zip")) as intake:
                refused = [one for one in intake.submissions if "too large" in one.problem]
        assert len(refused) == 3 - left
    monkeypatch.setattr("cellgrad_coursework.taking_in.intake.MAX_FILES", 8)
    with pytest.raises(InputError, match="more than 8 files"):
        Intake(tmp_path / "in.zip")


def test_a_damaged_zip_is_to_be_downloaded_again(tmp_path):
    (tmp_path / "in.zip").write_bytes(damaged(packed(WORK)))
    with pytest.raises(InputError, match=r"in\.zip: a damaged zip; download it again"):
        Intake(tmp_path / "in.zip")


def test_one_workbook_may_be_handed_over_alone(tmp_path, handouts):
    (tmp_path / "s1001.xlsx").write_bytes(handouts["s1001"])
    with closing(Intake(tmp_path / "s1001.xlsx")) as intake:
        (one,) = intake.submissions
        assert (one.name, intake.read(one)) == ("s1001.xlsx", handouts["s1001"])


def test_a_handout_is_known_by_its_token(manifest, handouts):
    for student, data in handouts.items():
        (token,) = {token for _, token in tokens_in(Package(data, "x"))}
        assert manifest.handouts[token].student.id == student
