"""The page of an audit: it needs nothing, runs nothing and shows everything."""

from __future__ import annotations

import itertools

import pytest

from browser import Tree, browsed
from cellgrad_audit.report.page import page
from made_audits import (
    AUDITS,
    Made,
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
