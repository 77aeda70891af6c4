"""What the tests of the audit share: audits made once, the probes written out."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def audits():
    """Return the audits by name; each is made when it is asked for."""
    from made_audits import AUDITS, Made  # noqa: PLC0415 (only for those who ask)

    return Made(lambda name: AUDITS[name]())


@pytest.fixture
def handout(tmp_path, capsys):
    """Return a folder that ``cellgrad probes`` wrote."""
    from cellgrad_audit import commands  # noqa: PLC0415 (only for those who ask)
    from cellgrad_audit.probes import probes  # noqa: PLC0415

    assert commands.probes.callback(tmp_path / "probes") == 0
    assert capsys.readouterr().out.startswith(f"wrote {len(probes())} probes to ")
    return tmp_path / "probes"
