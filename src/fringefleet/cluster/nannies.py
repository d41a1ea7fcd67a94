"""Nannies of local workers, which restart a killed worker and report why one cannot be started."""

import asyncio
import logging
import signal
from contextlib import suppress
from typing import Any, ClassVar

import psutil
from distributed import Nanny
from distributed.core import Status

from fringefleet.processes.main_program import GUARD, REIMPORTED

_KILLS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)  # by which others end a process that is well
MOST_KILLS = 5  # of a worker, before it is there
_SECONDS_OF_WORK = 0.1  # of the processor, that are a sign of life
_BYTES_OF_WORK = 2**16  # read, that are a sign of life


class Births:
    """State of the workers of a cluster during the start."""

    def __init__(self) -> None:
        self.error: Exception | None = None  # the first that a nanny logged
        self.failure: str | None = None  # why they will not come, in words for the user
        self.cluster: Any = None  # from its constructor on
        self.is_given_up = False
        self.nannies: list[PatientNanny] = []
        self._processes: set[psutil.Process] = set()

    def note_error(self, record: logging.LogRecord) -> None:
        """Note the first error that a nanny logs, as some are reported nowhere else."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, Exception):
            self.error = self.error or error

    def processes(self) -> list[psutil.Process]:
        """List the living worker processes, including those that a nanny has lost."""
        for nanny in tuple(self.nannies):
            with suppress(psutil.Error, AttributeError):  # it goes while we look
                if nanny.pid is not None:
                    self._processes.add(psutil.Process(nanny.pid))
        return [process for process in tuple(self._processes) if process.is_running()]

    def life(self) -> tuple[int, ...]:
        """Return numbers that change whenever a worker arrives or a process works."""
        signs = [int(nanny.is_ready) for nanny in tuple(self.nannies)]
        for process in self.processes():
            with suppress(psutil.Error, AttributeError):  # macOS has no io_counters
                times = process.cpu_times()
                signs += [process.pid, int((times.user + times.system) / _SECONDS_OF_WORK)]
                signs.append(process.io_counters().read_chars // _BYTES_OF_WORK)
        return tuple(signs)

    def describe(self) -> str:
        """Describe what is being waited for."""
        if not self.nannies:
            return "the scheduler to start"
        n_left = sum(not nanny.is_ready for nanny in tuple(self.nannies))
        numbers = ", ".join(str(process.pid) for process in self.processes())
        of_processes = f" (processes {numbers})" if numbers else ""
        return f"{n_left} of {len(self.nannies)} workers to start{of_processes}"

    def give_up(self) -> None:
        """Kill what was started, and start no replacements."""
        self.is_given_up = True
        if self.cluster is not None:
            self.cluster.shutdown_on_close = False  # else the end of this process waits for it
            with suppress(AttributeError, RuntimeError):  # it has no loop yet, or one that does not run
                self.cluster.loop.add_callback(_forget_tasks)
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()


class PatientNanny(Nanny):
    """Nanny that restarts a worker that was killed during its start.

    Dask ends the whole cluster then, and waits without end for some workers that cannot be started.
    """

    births: ClassVar[Births]
    exit_code: int | None = None
    is_ready = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.births.nannies.append(self)

    async def instantiate(self) -> Status:
        """Start a worker process, and wait until it is there."""
        births, n_killed, status = self.births, 0, Status.closed
        while not births.is_given_up:
            self.exit_code, births.error, n_killed = None, None, n_killed + 1
            try:
                status = await super().instantiate()
                self.is_ready = self.is_ready or status == Status.running
                if status == Status.running or self.status != Status.init or births.is_given_up:
                    break
            except Exception as error:
                if not self._may_begin_again(n_killed):
                    births.failure = births.failure or in_words(births.error or error)
                    raise
                continue
            if not self._may_begin_again(n_killed):
                births.failure = births.failure or _describe_end(self.exit_code, births.error, n_killed)
                break
        return status

    def _may_begin_again(self, n_killed: int) -> bool:
        """Return whether the worker was killed, and not too often. Writing to one that dies breaks a pipe."""
        is_killed = -(self.exit_code or 0) in _KILLS or isinstance(self.births.error, BrokenPipeError)
        return is_killed and n_killed <= MOST_KILLS and not self.births.is_given_up

    def _on_worker_exit_sync(self, exitcode: int) -> None:
        self.exit_code = exitcode
        super()._on_worker_exit_sync(exitcode)  # type: ignore[no-untyped-call]

    async def start_unsafe(self) -> Nanny:
        """Start the nanny and its worker, also one that died between two checks."""
        await super().start_unsafe()  # type: ignore[no-untyped-call]
        while self.process is not None and self.process.status == Status.stopped:
            if await self.instantiate() != Status.running:
                raise RuntimeError("Nanny failed to start worker process")
        return self

    async def close(self, timeout: float | None = 5, reason: str = "nanny-close") -> Any:
        """Close the nanny without waiting for a process that was never started."""
        process = self.process
        if process is not None and process.status == Status.starting and process.running.is_set():
            self.process = None
        if reason == "nanny-instantiate-failed" and isinstance(self.births.error, BrokenPipeError):
            return None  # another is begun
        return await super().close(timeout=5 if timeout is None else timeout, reason=reason)


def _forget_tasks() -> None:
    """Hide the tasks of this thread's event loop, as nothing waits for them any more."""
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)


def _describe_end(exit_code: int | None, error: Exception | None, n_time: int) -> str:
    """Describe how a worker process ended during its start, or why there was none."""
    if exit_code == REIMPORTED:
        return GUARD
    if exit_code is None:
        return in_words(error) if error else "no process could be started for a worker"
    if exit_code >= 0:
        return f"a worker process ended with exit code {exit_code} before it was ready; what it said is above"
    how_often = f" {n_time} times in a row" if n_time > 1 else ""
    return (
        f"a worker process was ended by {signal.Signals(-exit_code).name}{how_often} before it was ready; "
        "the system's log says more, see dmesg"
    )


def _deepest(error: BaseException) -> BaseException:
    """Find the first cause of an error that Dask has wrapped."""
    says_nothing = isinstance(error, AssertionError | TimeoutError) or not str(error)
    cause = error.__cause__ or (error.__context__ if says_nothing else None)
    found = error if cause is None else _deepest(cause)
    return found if str(found) or not str(error) else error


def in_words(error: BaseException) -> str:
    """Describe the cause of an error, with its type."""
    cause = _deepest(error)
    return f"{type(cause).__name__}: {cause}".rstrip(": .")
