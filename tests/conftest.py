"""Fixtures that all tests share; what this machine lacks is skipped, with the reason."""

import functools
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
import torch
import typer.testing
from hypothesis import HealthCheck, settings

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before anything imports Triton

# Else the parsers of all commands are made again for each command that a test invokes.
typer.testing._get_command = functools.cache(typer.testing._get_command)

SHARED_DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"

settings.register_profile(
    "default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("default")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Every numerical test runs on each device that this machine has."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    return torch.device(request.param)


@pytest.fixture(scope="module", autouse=True)
def no_client_left() -> Iterator[None]:
    """A client that a module of tests leaves would compute, or fail to compute, for those that come next."""
    if distributed := sys.modules.get("distributed"):  # a test that failed may keep one alive
        for client in [client for client in distributed.Client._instances if client.status != "running"]:
            distributed.Client._instances.discard(client)
    yield
    assert dask.config.get("scheduler", None) is None


@pytest.fixture(autouse=True)
def untouched_log() -> Iterator[None]:
    """The command line sets up the log of its process, which tests share; here it is not set up yet."""
    logger = logging.getLogger("fringefleet")
    before = logger.handlers, logger.propagate, logger.level
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)
    yield
    logger.handlers, logger.propagate, logger.level = before


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scene of a module, ``SCENE``, simulated."""
    from fringefleet.simulate import simulate_stack

    path = tmp_path_factory.mktemp("stack") / "stack.zarr"
    simulate_stack(request.module.SCENE, path)
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the stacks and what MintPy made of them."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no test data at {SHARED_DATA}")
    return SHARED_DATA.resolve()
