"""Monitor of the jobs of a cluster: detects lost ones, replaces them, and decides when to stop.

dask-jobqueue never asks Slurm about a job: it notices a worker that leaves, but not one that never arrives.
So the queue is queried: a second after an event, then at intervals that double up to ``poll_seconds``.
"""

import copy
import logging
import shlex
import threading
from contextlib import suppress
from time import monotonic, sleep
from typing import Any, Self

from dask_jobqueue.slurm import SLURMCluster, SLURMJob
from distributed import Client, Scheduler, Security
from distributed.core import Status
from distributed.diagnostics.plugin import SchedulerPlugin

from fringefleet.cluster.slurm.janitor import ENDING, SECONDS_FOR_COMMAND, ask_queue
from fringefleet.cluster.slurm.request import JobPlan
from fringefleet.cluster.waiting import SECONDS_BETWEEN_LOOKS, SECONDS_OF_SILENCE, Clock
from fringefleet.errors import InputError, WorkersLostError

logger = logging.getLogger(__name__)

_SHORTEST_SECONDS = 1.0
_SECONDS_IN_A_HURRY = 1.0
_LINES_OF_LOG = 15
_TOO_LONG = ("PartitionTimeLimit", "MaxWallDurationPerJobLimit")  # reasons of Slurm, or parts of them


class RecordingJob(SLURMJob):
    """Job of a cluster, which records errors of submission."""

    refusal: str | None = None  # why Slurm did not take it
    is_over = False  # whether it is known to have left the queue

    def __init__(
        self, scheduler: Any = None, name: Any = None, *, security: Security | None = None, **said: Any
    ) -> None:
        """Quote what dask-jobqueue writes into a shell line unchanged."""
        address = shlex.quote(scheduler) if isinstance(scheduler, str) else scheduler
        security = copy.copy(security)
        for part in ("tls_ca_file", "tls_worker_cert", "tls_worker_key"):
            if path := getattr(security, part, None):
                setattr(security, part, shlex.quote(str(path)))
        super().__init__(address, name, security=security, **said)  # type: ignore[no-untyped-call]

    async def start(self) -> None:
        """Submit the job, and record why that failed."""
        try:
            await super().start()  # type: ignore[no-untyped-call]
        except (RuntimeError, OSError, ValueError) as error:
            said = str(error).rpartition("stderr:")[2].strip() or str(error)
            self.refusal = "; ".join(line.removeprefix("sbatch: error: ") for line in said.splitlines())
            self.status = Status.running  # else nobody could await it

    async def close(self) -> None:
        """Cancel the job, unless it is over."""
        if not self.is_over:
            await super().close()  # type: ignore[no-untyped-call]
        self.status = Status.closed


class RecordingCluster(SLURMCluster):
    """Cluster of such jobs."""

    job_cls = RecordingJob  # type: ignore[assignment]


class JobMonitor(SchedulerPlugin):
    """Thread that monitors jobs while its context lasts."""

    name = "fringefleet-job-monitor"

    def __init__(self, client: Client, plan: JobPlan, job_name: str) -> None:
        self.client, self.plan, self.job_name = client, plan, job_name
        self.cluster: Any = client.cluster
        self.failure: str | None = None  # why no more jobs are submitted, in words for the user
        self.n_over = 0  # jobs that left the queue by themselves
        self._came: set[str] = set()  # names of all workers that ever came
        self._n_failed_start = 0  # jobs in a row that ended before a worker of theirs came
        self._shown: dict[str, str] = {}
        self._called = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def __enter__(self) -> Self:
        """Start to monitor."""
        self.cluster.scheduler.add_plugin(self)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_details: object) -> None:
        """Stop to monitor, without waiting for Slurm after an exception."""
        self._stopped = True
        self._called.set()
        self._thread.join(_SECONDS_IN_A_HURRY if kind is KeyboardInterrupt else SECONDS_FOR_COMMAND)

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Record a worker's name, and have the queue queried."""
        self._came.add(str(scheduler.workers[worker].name))
        self._n_failed_start = 0
        self._called.set()

    def remove_worker(self, *_who: object, **_details: object) -> None:
        """Have the queue queried."""
        self._called.set()

    def wait_for_worker(self, seconds: float | None) -> None:
        """Wait for a worker while jobs are queued, or ``seconds``; a running job must not be silent."""
        clock = Clock(SECONDS_OF_SILENCE) if seconds is None else Clock(None, seconds)
        while not self.cluster.scheduler.workers:  # nobody has to be asked: it is in this process
            if self.failure is not None:
                raise WorkersLostError(self.failure)
            shown = self._shown.items()
            states = ", ".join(f"{number} {state}" for number, state in shown) or "not known to Slurm"
            is_running = any(not state.startswith("pending") for _, state in shown)
            life = states if is_running else monotonic()  # the queue may be as silent as it likes
            if clock.is_up(life, f"a worker of Slurm; the jobs are {states}"):
                log = f" {self.failure_log()}" if is_running else ""
                raise InputError(
                    f"found no worker after {clock.waited:.0f} s; the jobs are {states}. Wait longer with "
                    f"--wait, or ask for what is free sooner: sinfo shows it.{log}"
                )
            sleep(SECONDS_BETWEEN_LOOKS)

    def failure_log(self, job: RecordingJob | None = None) -> str:
        """Describe how a job ended: Slurm's message, else the end of its log, else the queue."""
        shown = [job for job in self._alive().values() if job.job_id in self._shown]
        if job is None and not shown:
            return ""
        job = job or shown[-1]
        if job.refusal:
            return (
                f"Slurm says: {job.refusal}. Correct the options of the jobs: `fringefleet slurm --dry-run` "
                "shows them, `fringefleet doctor` what the partitions have."
            )
        log = self.plan.log_folder / f"{self.job_name}-{job.job_id}.log"
        with suppress(OSError):
            if lines := log.read_text(errors="replace").rstrip().splitlines():
                end = " | ".join(line.strip() for line in lines[-_LINES_OF_LOG:])
                return f"The log of the last one, {log}, ends with: {end}"
        return (
            f"The last one, {job.job_id}, left no log {log}: it was cancelled while it waited, or "
            f"{self.plan.log_folder} is on no file system that the nodes have, too."
        )

    def _run(self) -> None:
        pause = shortest = min(_SHORTEST_SECONDS, self.plan.poll_seconds)
        try:
            while not self._stopped:
                is_called = self._called.wait(pause)
                self._called.clear()
                pause = shortest if is_called else min(2 * pause, self.plan.poll_seconds)
                if not self._stopped and self.look():
                    pause = shortest
        except Exception as error:
            # The thread is gone: without this a run would wait for ever for workers that nobody replaces.
            if self.failure is None:
                self.failure = f"the jobs cannot be looked after any more: {type(error).__name__}: {error}."
            logger.exception("no more jobs are submitted: they cannot be looked after any more")
            self._end()

    def look(self) -> bool:
        """Query the queue once and act on it; return whether a job was gone."""
        before = self._alive()  # before Slurm is asked, which knows all of them by now
        answer = ask_queue(self.job_name, "%A|%T|%r")
        if answer is None:
            logger.debug("squeue gives no answer")
            return False  # which says nothing about the jobs
        queue = _read_queue(answer)
        new = dict(queue.items() - self._shown.items())
        for number, state in new.items():
            logger.info("job %s is %s", number, state)
        if any(reason in state for state in new.values() for reason in _TOO_LONG):
            logger.warning(
                "the jobs ask for more time than is allowed and will not start: end this, and give a shorter "
                "walltime in the options of the cluster; `fringefleet doctor` shows what partitions allow"
            )
        self._shown = queue
        gone = {name: job for name, job in before.items() if job.refusal or job.job_id not in queue}
        for name, job in gone.items():
            self._mark_finished(name, job)
        if gone and self.failure is None:
            self.cluster.scale(jobs=self.plan.n_job + self.n_over)
        if self.failure is not None and not self._alive():
            self._end()
        return bool(gone)

    def _alive(self) -> dict[str, RecordingJob]:
        """List the submitted jobs that are not known to be over."""
        jobs = list(self.cluster.workers.items())
        return {name: job for name, job in jobs if (job.job_id or job.refusal) and not job.is_over}

    def _mark_finished(self, name: str, job: RecordingJob) -> None:
        """Record that a job is over, and decide whether another may replace it."""
        job.is_over = True
        self.n_over += 1
        # The workers of a job are called as it is, or NAME-0, NAME-1 and so on.
        came = any(worker == name or worker.startswith(f"{name}-") for worker in tuple(self._came))
        self._n_failed_start += not came
        what = "Slurm refused a job" if job.refusal else f"job {job.job_id} is over"
        logger.warning("%s, %s", what, "its workers had come" if came else "before a worker of it came")
        why, n_failed = "", self._n_failed_start
        if n_failed >= self.plan.most_failed_starts:
            jobs, were = ("1 job", "was") if n_failed == 1 else (f"{n_failed} jobs in a row", "were")
            why = f"{jobs} ended, or {were} refused, without any worker"
        elif self.n_over > self.plan.most_replacements:
            why = f"{self.n_over} jobs ended while there was work left for them"
        if why and self.failure is None:
            self.failure = f"{why}. {self.failure_log(job)}"
            logger.error("no more jobs are submitted: %s", why)

    def _end(self) -> None:
        """Close the connections of whoever waits for a worker, as none will come."""
        self._stopped = True
        self.client.close()


def _read_queue(lines: list[str]) -> dict[str, str]:
    """Read the state of each waiting or running job, with the reason if there is one."""
    jobs = (line.split("|", 2) for line in lines)
    states = {number: f"{state.lower()} ({why})" for number, state, why in jobs if state != ENDING}
    return {number: state.removesuffix(" (None)") for number, state in states.items()}
