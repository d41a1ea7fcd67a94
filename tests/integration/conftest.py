"""Fixtures that the tests of whole commands share."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest


@pytest.fixture
def in_this_process(monkeypatch):
    """Run on this process's threads instead of on workers, for speed."""
    from fringefleet.cli import invert as invert_command
    from fringefleet.cluster import Workers

    @contextmanager
    def connect(_options):
        yield Workers(SimpleNamespace(dashboard_link=""), 1, None)

    monkeypatch.setattr(invert_command, "connect", connect)
    monkeypatch.setattr(invert_command, "watched", lambda *_: nullcontext())  # no logs to bring
