"""Observation of workers while they compute: dashboard, logs, and Dask's performance report."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distributed import Client, performance_report

from fringefleet.arguments.paths import make_folder
from fringefleet.cluster.exposure import check_bokeh
from fringefleet.cluster.options import ClusterOptions
from fringefleet.errors import IdleOptionError
from fringefleet.io.store.output_names import check_output_name
from fringefleet.io.store.place import check_writable
from fringefleet.option_words import option
from fringefleet.processes.dashboard import describe_dashboard
from fringefleet.processes.worker_logging import forward_logs

logger = logging.getLogger(__name__)


def check_performance_report(path: Path | None, workers: ClusterOptions | None = None) -> None:
    """Check before any work whether a performance report can be made.

    Parameters
    ----------
    path
        File of the report; None if not requested.
    workers
        Worker request whose work it shows.

    Raises
    ------
    IdleOptionError
        No workers are requested.
    MissingExtraError
        Bokeh, which draws it, is not installed.
    InputError
        Its folder cannot be written to.
    """
    if path is None:
        return
    if workers is not None and workers.n_worker == 0:
        raise IdleOptionError(
            f"found {option('performance_report', path)}, which shows what workers do, and "
            f"{option('n_worker', 0)}; leave one of them out."
        )
    check_output_name(path, "HTML", "report.html")
    check_bokeh(option("performance_report"))
    check_writable(path)


@contextmanager
def watched(client: Client, performance: Path | None) -> Iterator[None]:
    """Log the address of the dashboard, if any; forward logs, and write the performance report."""
    if dashboard := describe_dashboard(client):
        logger.info("dashboard: %s", dashboard)
    with ExitStack() as opened:
        opened.enter_context(forward_logs(client))
        if performance is not None:
            opened.enter_context(_recorded(client, performance))
        yield


@contextmanager
def _recorded(client: Client, path: Path) -> Iterator[None]:
    """Write Dask's record of the work, also if it failed; without a scheduler nothing is written."""
    recording = performance_report(filename=str(path))
    recording.__enter__()
    try:
        yield
    finally:
        if client.status == "running":
            make_folder(path.parent)
            recording.__exit__(None, None, None)
            logger.info("performance report: %s", path)
        else:
            logger.warning("no performance report: the scheduler, which has the record of the work, was lost")
