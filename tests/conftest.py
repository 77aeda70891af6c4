"""What the tests share; it imports nothing but pytest, so that every test starts alone."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def engine_or_skip():
    """Return a function that starts an engine, or skips the test where it is missing.

    With CELLGRAD_REQUIRE_ENGINES=1 a missing engine is a failure: a machine that
    is meant to have them all must not pass by skipping.
    """
    started = []

    def start(name, **options):
        from cellgrad import engines  # noqa: PLC0415 (only for those who ask)

        missing = engines._kind(name).missing()
        if missing is not None:
            if os.environ.get("CELLGRAD_REQUIRE_ENGINES") == "1":
                pytest.fail(missing)
            pytest.skip(missing)
        engine = engines._kind(name)(**options) if options else engines.create(name)
        started.append(engine)
        return engine

    yield start
    for engine in started:
        engine.close()
