"""The real MintPy, where it is installed; every test of this folder needs it."""

import os
from pathlib import Path

import pytest
from distributed import LocalCluster

from parity.against_mintpy.programs import HOW, VARIABLE, mintpy_python


@pytest.fixture(scope="session")
def mintpy() -> Path:
    """Interpreter of the environment that MintPy is installed in."""
    value = os.environ.get(VARIABLE)
    if not value:
        pytest.skip(f"{VARIABLE} names no MintPy: {HOW}")
    return mintpy_python(value)


@pytest.fixture(scope="session")
def workers():
    """Address of a running worker, for all runs of ours that are not about starting workers."""
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address
