"""The browser that tests look at pages with."""

from __future__ import annotations

import os
import shutil

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
