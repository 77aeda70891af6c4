"""The page of an audit: it needs nothing, runs nothing and shows everything."""

from __future__ import annotations

import itertools
import json
import subprocess
from html.parser import HTMLParser

import pytest
from made_audits import (
    AUDITS,
    Made,
)

from browser import chromium
from cellgrad_audit.report.page import page

# page


class Tree(HTMLParser):
    """Collects elements, their attributes and the text."""

    EMPTY = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.open, self.errors = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append((tag, self.getpos()))

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def has(self, tag, **attributes):
        return any(
            tag == name and all(attributes[a] in (found.get(a) or "") for a in attributes)
            for name, found in self.elements
        )


@pytest.fixture(scope="module")
def pages(audits):
    return Made(lambda name: page(audits[name]))


@pytest.mark.parametrize("name", AUDITS)
def test_a_page_is_whole_and_asks_for_nothing(name, pages):
    tree = Tree(pages[name])
    assert not tree.errors
    assert not tree.open
    tags = {tag for tag, _ in tree.elements}
    assert not tags & {"script", "img", "link", "iframe", "object", "embed", "form", "base"}
    for tag, attributes in tree.elements:
        assert not {a for a in attributes if a.startswith("on") or a in ("src", "style")}
        assert "href" not in attributes or (tag == "a" and attributes["href"].startswith("http"))
    assert "url(" not in pages[name]
    assert "@import" not in pages[name]
    for section in ("verdict", "scope", "cells", "again"):
        assert any(found.get("id") == section for _, found in tree.elements)


@pytest.mark.parametrize("name", ["no case could be run", "a case of one's own"])
def test_a_hostile_name_is_escaped_on_the_page(name, pages):
    assert "<script" not in pages[name]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages[name]
    assert not [c for c in pages[name] if ord(c) < 32 and c != "\n"]


def test_the_page_lights_the_way_of_the_wrong_number(pages, audits):
    tree = Tree(pages["a mistake"])
    assert tree.has("svg", role="img")
    assert tree.has("line", **{"class": "edge first"})
    assert tree.has("line", **{"class": "edge path"})
    assert tree.has("circle", **{"class": "node O path"})
    nodes = audits["a mistake"].probes[0].case.network.nodes
    lines = sum(tag == "line" for tag, _ in tree.elements)
    assert lines == sum(a * b for a, b in itertools.pairwise(nodes))
    quiet = Tree(pages["right"])
    assert not quiet.has("line", **{"class": "first"})
    assert not quiet.has("line", **{"class": "wrong"})


def test_the_page_shows_both_formulas_with_their_numbers(pages, audits):
    text = "".join(Tree(pages["a mistake"]).text)
    first = audits["a mistake"].first_divergence
    assert f"{first.found:.17g}" in text
    assert f"{first.right:.17g}" in text
    assert "S_ERROR_O[1] · weight_HtoO[1,1]" in text
    assert "S_ERROR_O[1] · (weight_HtoO[1,1] − LR · gradient_HtoO[1,1])" in text


def test_the_page_lists_every_number_of_every_case(pages, audits):
    for name in ("a mistake", "a mistake and a trace"):
        text = "".join(Tree(pages[name]).text)
        for one in audits[name].probes:
            for cell in one.cells:
                assert f"{cell.found:.17g}" in text


def browsed(path, tmp_path):
    """Open a page headless; return its elements, what the console said, what it asked for.

    Requests of the browser's own (updates, clock) have no origin; a page's have one, be it
    ``null``, as a file's is. No name is resolved, so that nothing leaves the machine.
    """
    log = tmp_path / "net.json"
    done = subprocess.run(
        [
            chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
            f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={log}",
            "--enable-logging=stderr", "--v=0", "--host-resolver-rules=MAP * ~NOTFOUND",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--no-first-run", "--disable-default-apps", "--disable-extensions", path.as_uri(),
        ],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    said = [
        line for line in done.stderr.decode("utf-8", "replace").splitlines() if ":CONSOLE" in line
    ]
    events = json.loads(log.read_text("utf-8"))["events"]
    asked = [e["params"] for e in events if "url" in e.get("params", {})]
    asked = [p["url"] for p in asked if p.get("initiator", "not an origin") != "not an origin"]
    return Tree(done.stdout.decode("utf-8")), said, [u for u in asked if not u.startswith("file:")]


@pytest.mark.slow
def test_chromium_shows_the_page_without_a_complaint_or_a_request(pages, tmp_path):
    for n, name in enumerate(["a mistake", "printed numbers", "no case could be run"]):
        path = tmp_path / f"page{n}.html"
        path.write_text(pages[name], "utf-8")
        tree, said, asked = browsed(path, tmp_path)
        assert said == []
        assert asked == []
        assert not tree.has("script")
        ids = {found.get("id") for _, found in tree.elements}
        assert {"verdict", "scope", "cells", "again"} <= ids
        assert tree.has("svg") == (name != "no case could be run")


@pytest.mark.slow
def test_the_browser_test_sees_a_request_and_a_complaint(tmp_path):
    path = tmp_path / "bad.html"
    path.write_text('<img src="http://example.invalid/x.png"><script>console.error("no")</script>')
    _, said, asked = browsed(path, tmp_path)
    assert len(said) == 1
    assert asked == ["http://example.invalid/x.png"]
