"""A session from Python: threads or workers, progress, and what an interrupt says."""

import logging

import pytest
from dask.distributed import Client

from fringefleet import Run
from fringefleet.cluster import ClusterOptions
from fringefleet.errors import IdleOptionError
from fringefleet.execution.check import check
from fringefleet.session import course, prepare_session, run_session, run_with_workers
from fringefleet.simulate import Scene
from thread_workers import thread_cluster

SCENE = Scene(n_date=6, shape=(24, 20), seed=1)
HERE = ClusterOptions(n_worker=0)


def test_progress_begins_with_no_tile_and_ends_with_all(stack, tmp_path, caplog):
    caplog.set_level(logging.INFO, "fringefleet")
    told = []
    summary = run_with_workers(Run(stack, tmp_path / "out.zarr", chunks=(12, 20)), HERE, told.append)
    assert [(done.n_done, done.n_tile) for done in told] == [(0, 2), (1, 2), (2, 2)]
    assert (told[0].report, told[0].n_pixel, told[-1].n_pixel) == (None, 0, 480)
    assert (summary.n_tile, summary.n_resumed, sum(summary.status_count)) == (2, 0, 480)
    resumed = run_with_workers(Run(stack, tmp_path / "out.zarr", existing="resume"), HERE, told.append)
    assert (resumed.n_resumed, resumed.status_count, len(told)) == (2, (), 3)
    assert "all 2 tiles were done before; nothing was left to do" in caplog.text


def test_a_client_that_is_current_computes(stack, tmp_path, caplog):
    caplog.set_level(logging.INFO, "fringefleet")
    with thread_cluster() as worker, Client(worker):
        summary = run_with_workers(Run(stack, tmp_path / "out.zarr", chunks=(12, 20)))
    assert summary.n_tile == 2
    assert "connecting to current" in caplog.text


@pytest.mark.parametrize("n_done", [0, 1])
def test_an_interrupt_says_what_is_kept_and_how_to_go_on(n_done, stack, tmp_path, monkeypatch):
    def interrupt(checked, *how, **more):
        if n_done:
            compute(checked, *how, **more)
        raise KeyboardInterrupt

    compute = course.compute
    monkeypatch.setattr(course, "compute", interrupt)
    job = Run(stack, tmp_path / "out.zarr")
    session = prepare_session(job, HERE, is_asked_for=True)
    with pytest.raises(KeyboardInterrupt) as raised:
        run_session(session)
    kept = f"Finished tiles are kept in {tmp_path / 'out.zarr'}; repeat the command with existing = resume"
    assert (
        str(raised.value) == f"interrupted. {f'{kept} to continue.' if n_done else 'No tile of it is kept.'}"
    )


def test_a_run_may_be_checked_another_way(stack, tmp_path):
    seen = []
    job = Run(stack, tmp_path / "out.zarr")
    session = prepare_session(
        job, HERE, is_asked_for=False, check_job=lambda job: seen.append(job) or check(job)
    )
    assert session.workers.n_worker == 0
    assert seen == [session.checked.job]
    assert seen[0].n_thread >= 1


def test_a_performance_report_needs_workers(stack, tmp_path):
    with pytest.raises(IdleOptionError, match=r"found performance_report = .*work\.html, which shows"):
        run_with_workers(Run(stack, tmp_path / "out.zarr"), HERE, performance_report=tmp_path / "work.html")
    assert not (tmp_path / "out.zarr").exists()
