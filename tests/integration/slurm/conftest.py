"""A Slurm for the tests of this folder, a queue that must be empty after each of them, and a stack."""

import os

import pytest

import fringefleet
from fringefleet.simulate import Scene, simulate_stack
from integration.slurm.throwaway_slurm import ThrowawaySlurm
from polling import wait_until

CHUNKS = (16, 16)
SLOW = fringefleet.Options(norm="l1", max_iterations=50)  # a fifth of a second for each tile


def contents(store):
    """Every file of a store, and what is in it."""
    return {path.relative_to(store): path.read_bytes() for path in store.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def started_slurm(tmp_path_factory):
    """Two nodes with two pretend GPUs each; skipped where Slurm is not installed."""
    if missing := ThrowawaySlurm.missing():
        pytest.skip(
            f"Slurm is not installed ({', '.join(missing)}); .ci/environment says which packages are needed"
        )
    if os.geteuid() != 0:
        pytest.skip("the daemons of the test Slurm are started as root")
    slurm = ThrowawaySlurm(tmp_path_factory.mktemp("slurm"))
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


@pytest.fixture
def slurm(started_slurm, monkeypatch, tmp_path):
    """The test Slurm as this process's own, in a folder of its own; whoever leaves a job behind fails."""
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed")
    for name, value in started_slurm.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # of the jobs
    yield started_slurm
    wait_until(lambda: not started_slurm.jobs(), 30, lambda: f"jobs left behind: {started_slurm.jobs()}")
    folders = [path for path in tmp_path.glob("fringefleet-????????") if path.is_dir()]
    assert not folders  # the workers' own, and those that scripts put keys in


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """Small tiles, and so many of them that there is time to do harm."""
    path = tmp_path_factory.mktemp("stack") / "stack.zarr"
    simulate_stack(Scene(n_date=30, shape=(128, 96), missing=0.02), path)
    return path


@pytest.fixture(scope="session")
def expected(stack, tmp_path_factory):
    """The store that a run in this process writes: every file of it."""
    output = tmp_path_factory.mktemp("expected") / "result.zarr"
    fringefleet.run(fringefleet.Run(stack, output, SLOW, chunks=CHUNKS))
    return contents(output)
