"""Jobs that remember what became of them, and which of their workers came. Imported only for Slurm."""

import threading

from dask_jobqueue.slurm import SLURMCluster, SLURMJob
from distributed import Scheduler
from distributed.core import Status
from distributed.diagnostics.plugin import SchedulerPlugin


class Job(SLURMJob):
    """One job of a cluster.

    ``refusal``: why Slurm did not take it; None if it did. ``is_over``: it is known to have left the queue.
    """

    refusal: str | None = None
    is_over = False

    async def start(self) -> None:
        """Submit it; whoever watches it reads why that failed."""
        try:
            await super().start()  # type: ignore[no-untyped-call]
        except (RuntimeError, OSError, ValueError) as error:
            self.refusal = str(error).rpartition("stderr:")[2].strip() or str(error)
            self.status = Status.running  # else nobody could await it

    async def close(self) -> None:
        """Cancel it, unless it is over."""
        if not self.is_over:
            await super().close()  # type: ignore[no-untyped-call]
        self.status = Status.closed


class Jobs(SLURMCluster):
    """A cluster of such jobs."""

    job_cls = Job


class Arrivals(SchedulerPlugin):
    """Remembers which workers ever came, and calls whenever one comes or goes."""

    name = "fringefleet-arrivals"

    def __init__(self, called: threading.Event) -> None:
        self.called = called
        self.came: set[str] = set()

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Take down a worker's name."""
        self.came.add(str(scheduler.workers[worker].name))
        self.called.set()

    def remove_worker(self, *_who: object, **_details: object) -> None:
        """Let the queue be looked at."""
        self.called.set()

    def has_come(self, job_name: str) -> bool:
        """Whether a worker of a job ever came; they are called NAME, or NAME-0, NAME-1 and so on."""
        return any(name == job_name or name.startswith(f"{job_name}-") for name in tuple(self.came))
