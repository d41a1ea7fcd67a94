"""Presence of numba, and of its compiler; light to import."""

import os
from contextlib import suppress
from functools import cache
from importlib.util import find_spec


@cache
def has_numba() -> bool:
    """Return whether numba is installed and may compile."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return False
    with suppress(ImportError):
        return find_spec("numba") is not None
    return False
