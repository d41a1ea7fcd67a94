"""Look after the jobs of a cluster: notice those that are gone, submit others, and know when to stop.

dask-jobqueue itself never asks Slurm what became of a job. It notices a worker that leaves, but not one that
never comes, and it looks a job of several workers up under the wrong name. So the queue is asked: a second
after something happened, and then at intervals that double up to ``poll_seconds``.
"""

import logging
import threading
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from fringefleet.cluster.slurm.janitor import ENDING, SECONDS_FOR_COMMAND, ask_queue
from fringefleet.cluster.slurm.jobs import RecordingJob, WorkerTracker
from fringefleet.cluster.slurm.script import JobPlan

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

_SHORTEST_SECONDS = 1.0
_SECONDS_IN_A_HURRY = 1.0
_LINES_OF_LOG = 15


class JobMonitor:
    """A thread that looks after jobs while its context lasts.

    ``failure``: why no more jobs are submitted, in words for the user; None as long as they are.
    """

    def __init__(self, client: "Client", plan: JobPlan, job_name: str) -> None:
        self.client, self.plan, self.job_name = client, plan, job_name
        self.cluster: Any = client.cluster
        self.failure: str | None = None
        self.n_over = 0  # jobs that left the queue by themselves
        self._n_failed_start = self._n_came = 0
        self._shown: dict[str, str] = {}
        self._called = threading.Event()
        self._stopped = False
        self.tracker = WorkerTracker(self._called)
        self._thread = threading.Thread(target=self._run, name="fringefleet-job-monitor", daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self.cluster.scheduler.add_plugin(self.tracker)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop looking; who is in a hurry does not wait for Slurm's answer."""
        self._stopped = True
        self._called.set()
        self._thread.join(_SECONDS_IN_A_HURRY if kind is KeyboardInterrupt else SECONDS_FOR_COMMAND)

    @property
    def n_worker(self) -> int:
        """Workers that are there now; nobody has to be asked, as the scheduler is in this process."""
        return len(self.cluster.scheduler.workers)

    def describe(self) -> str:
        """Say how the jobs stand, as far as is known."""
        states = ", ".join(f"{number} {state}" for number, state in self._shown.items())
        return states or "not known to Slurm"

    @property
    def is_running(self) -> bool:
        """Whether a job is under way, as far as is known: one that waits in the queue is not."""
        return any(not state.startswith("pending") for state in self._shown.values())

    def failure_log(self) -> str:
        """Say how the log of the last job ends, of those that are in the queue."""
        jobs = [job for job in self._alive().values() if job.job_id in self._shown]
        return self._failure_log(jobs[-1]) if jobs else ""

    def _run(self) -> None:
        try:
            self._look_until_stopped()
        except Exception as error:
            # The thread is gone: without this a run would wait for ever for workers that nobody replaces.
            if self.failure is None:
                self.failure = f"the jobs cannot be looked after any more: {type(error).__name__}: {error}."
            logger.exception("no more jobs are submitted: they cannot be looked after any more")
            self._end()

    def _look_until_stopped(self) -> None:
        shortest = min(_SHORTEST_SECONDS, self.plan.poll_seconds)
        pause = shortest
        while not self._stopped:
            if self._called.wait(pause):
                self._called.clear()
                pause = shortest
            else:
                pause = min(2 * pause, self.plan.poll_seconds)
            if not self._stopped and self.look():
                pause = shortest

    def look(self) -> bool:
        """Ask for the queue once and do what follows from it; say whether a job was gone."""
        before = self._alive()  # before Slurm is asked, which knows all of them by now
        queue = self._queue()
        if queue is None:
            return False  # no answer says nothing about the jobs
        self._show(queue)
        if len(self.tracker.came) > self._n_came:
            self._n_came, self._n_failed_start = len(self.tracker.came), 0
        gone = {name: job for name, job in before.items() if job.refusal or job.job_id not in queue}
        for name, job in gone.items():
            self._mark_finished(name, job)
        if gone and self.failure is None:
            self.cluster.scale(jobs=self.plan.n_job + self.n_over)
        if self.failure is not None and not self._alive():
            self._end()
        return bool(gone)

    def _alive(self) -> dict[str, RecordingJob]:
        """List the jobs that Slurm took, or refused, and that are not known to be over."""
        jobs = list(self.cluster.workers.items())
        return {name: job for name, job in jobs if (job.job_id or job.refusal) and not job.is_over}

    def _queue(self) -> dict[str, str] | None:
        """Ask for the state of each of our jobs that is waiting or running; None without an answer."""
        answer = ask_queue(self.job_name, "%A|%T|%r")
        if answer is None:
            logger.debug("squeue gives no answer")
            return None
        lines = [line.split("|", 2) for line in answer]
        states = {number: f"{state.lower()} ({reason})" for number, state, reason in lines if state != ENDING}
        return {number: state.removesuffix(" (None)") for number, state in states.items()}

    def _show(self, queue: dict[str, str]) -> None:
        for number, state in queue.items():
            if self._shown.get(number) != state:
                logger.info("job %s is %s", number, state)
        self._shown = queue

    def _mark_finished(self, name: str, job: RecordingJob) -> None:
        """Note that a job is over, and decide whether another may take its place."""
        job.is_over = True
        self.n_over += 1
        came = self.tracker.has_come(name)
        if not came:
            self._n_failed_start += 1
        what = "Slurm refused a job" if job.refusal else f"job {job.job_id} is over"
        logger.warning("%s, %s", what, "its workers had come" if came else "before a worker of it came")
        n_failed = self._n_failed_start
        if n_failed >= self.plan.most_failed_starts:
            self._give_up(
                f"{n_failed} jobs in a row ended, or were refused, before a worker of theirs came", job
            )
        elif self.n_over > self.plan.most_replacements:
            self._give_up(f"{self.n_over} jobs ended while there was work left for them", job)

    def _give_up(self, why: str, job: RecordingJob) -> None:
        if self.failure is None:
            self.failure = f"{why}. {self._failure_log(job)}"
            logger.error("no more jobs are submitted: %s", why)

    def _end(self) -> None:
        """Let everybody who waits for a worker know that there will be none: they lose their connection."""
        self._stopped = True
        self.client.close()

    def _failure_log(self, job: RecordingJob) -> str:
        """Say how a job ended: what Slurm said, or the end of the job's log."""
        if job.refusal:
            return f"Slurm says: {job.refusal}"
        log = self.plan.log_folder / f"{self.job_name}-{job.job_id}.log"
        with suppress(OSError):
            if lines := log.read_text(errors="replace").rstrip().splitlines():
                end = " | ".join(line.strip() for line in lines[-_LINES_OF_LOG:])
                return f"The log of the last one, {log}, ends with: {end}"
        return (
            f"The last one, {job.job_id}, left no log {log}: it was cancelled while it waited, or "
            f"{self.plan.log_folder} is on no file system that the nodes have, too."
        )
