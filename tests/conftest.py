"""What the tests share; it imports nothing but pytest, so that every test starts alone."""

from __future__ import annotations

import os
import sys

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
        missing = engines.engine_class(name).missing()
        if missing is not None:
            if os.environ.get("CELLGRAD_REQUIRE_ENGINES") == "1":
                pytest.fail(missing)
            pytest.skip(missing)
        engine = engines.engine_class(name)(**options)
        if fresh or options:
            others.append(engine)
        else:
            shared[name] = engine
        return engine

    yield start
    for engine in [*shared.values(), *others]:
        engine.close()


@pytest.fixture
def command(tmp_path, monkeypatch, capfd):
    """Return a function that runs the command in this process, in the test's own folder."""
    from hostile import Answer, listing  # noqa: PLC0415 (only for those who ask)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("FORCE_COLOR", "NO_COLOR", "LINES"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments):
        from cellgrad.cli import main  # noqa: PLC0415 (only for those who ask)

        before = listing(tmp_path)
        monkeypatch.setattr(sys, "argv", ["cellgrad", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run()
        out, err = capfd.readouterr()
        return Answer(ended.value.code or 0, out, err, listing(tmp_path) - before)

    return run
