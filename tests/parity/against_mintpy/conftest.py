"""The real MintPy, where it is installed; every test of this folder needs it."""

import os
from pathlib import Path

import pytest

from parity.against_mintpy.programs import HOW, VARIABLE, mintpy_python


@pytest.fixture(scope="session")
def mintpy() -> Path:
    """Interpreter of the environment that MintPy is installed in."""
    value = os.environ.get(VARIABLE)
    if not value:
        pytest.skip(f"{VARIABLE} names no MintPy: {HOW}")
    return mintpy_python(value)
