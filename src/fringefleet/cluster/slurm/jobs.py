"""Jobs that remember what became of them, and which of their workers came. Imported only for Slurm."""

import copy
import shlex
import threading
from typing import Any

from dask_jobqueue.slurm import SLURMCluster, SLURMJob
from distributed import Scheduler, Security
from distributed.core import Status
from distributed.diagnostics.plugin import SchedulerPlugin


class RecordingJob(SLURMJob):
    """One job of a cluster.

    ``refusal``: why Slurm did not take it; None if it did. ``is_over``: it is known to have left the queue.
    """

    refusal: str | None = None
    is_over = False

    def __init__(
        self, scheduler: Any = None, name: Any = None, *, security: Security | None = None, **said: Any
    ) -> None:
        """Quote what dask-jobqueue writes into the line of the shell as it is."""
        address = shlex.quote(scheduler) if isinstance(scheduler, str) else scheduler
        super().__init__(address, name, security=_quoted(security), **said)  # type: ignore[no-untyped-call]

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


def _quoted(security: Security | None) -> Security | None:
    """Quote the paths of the certificates of a worker."""
    if security is None:
        return None
    quoted = copy.copy(security)
    for name in ("tls_ca_file", "tls_worker_cert", "tls_worker_key"):
        if (path := getattr(security, name)) is not None:
            setattr(quoted, name, shlex.quote(str(path)))
    return quoted


class RecordingCluster(SLURMCluster):
    """A cluster of such jobs."""

    job_cls = RecordingJob  # type: ignore[assignment]


class WorkerTracker(SchedulerPlugin):
    """Remembers which workers ever came, and calls whenever one comes or goes."""

    name = "fringefleet-worker-tracker"

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
