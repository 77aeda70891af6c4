"""``python -m cellgrad`` is the command ``cellgrad``."""

from cellgrad.cli.main import run

run()
