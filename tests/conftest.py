"""What the tests share; it imports nothing but pytest, so that every test starts alone."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def engine_or_skip():
    """Return a function that returns an engine, or skips the test where it is missing.

    An engine is started once and shared, unless the test asks for a fresh one or
    gives options. With CELLGRAD_REQUIRE_ENGINES=1 a missing engine is a failure: a
    machine that is meant to have them all must not pass by skipping.
    """
    shared, others = {}, []

    def start(name, *, fresh=False, **options):
        from cellgrad import engines  # noqa: PLC0415 (only for those who ask)

        if name in shared and not fresh and not options:
            return shared[name]
        missing = engines._kind(name).missing()
        if missing is not None:
            if os.environ.get("CELLGRAD_REQUIRE_ENGINES") == "1":
                pytest.fail(missing)
            pytest.skip(missing)
        engine = engines._kind(name)(**options)
        if fresh or options:
            others.append(engine)
        else:
            shared[name] = engine
        return engine

    yield start
    for engine in [*shared.values(), *others]:
        engine.close()
