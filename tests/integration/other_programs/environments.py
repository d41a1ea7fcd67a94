"""Environments of other programs, which variables name, and code that runs in them."""

import os
import subprocess
from pathlib import Path

import pytest


def interpreter(variable: str, packages: str) -> Path:
    """Find the interpreter of an environment that a variable names; skip the test where it names none."""
    value = os.environ.get(variable)
    how = f"python3 -m venv ENV && ENV/bin/pip install {packages}, then {variable}=ENV/bin/python"
    if not value:
        pytest.skip(f"{variable} names no environment: {how}")
    python = Path(value)
    if not python.is_file():
        raise ValueError(f"{variable}={value} is no interpreter. {how}")
    return python


def run_in(python: Path, code: str, *arguments: object) -> str:
    """Run code of another program in its interpreter; gives what it prints."""
    own = {name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [python, "-c", code, *map(str, arguments)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=own)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout
