"""The browser that tests look at pages with, and what a page holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from html.parser import HTMLParser

import pytest


def chromium():
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None:
        if os.environ.get("CELLGRAD_REQUIRE_ENGINES") == "1":
            pytest.fail("no Chromium is installed")
        pytest.skip("no Chromium is installed")
    return found


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
