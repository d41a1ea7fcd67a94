"""A cluster of this machine from its first process to its last: begun, waited for, stopped."""

import logging
import signal
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from time import monotonic, sleep
from typing import Any

import dask
from distributed import Client, Nanny, Worker
from distributed.deploy.cluster import Cluster

from fringefleet.cluster.exposure import LOOPBACK, http_settings, local_keywords
from fringefleet.cluster.nannies import Births, PatientNanny, in_words
from fringefleet.cluster.options import ClusterOptions, check_known, known_keywords
from fringefleet.cluster.security import private_folder, temporary_security
from fringefleet.cluster.silence import OF_A_CLUSTER, OF_A_START, OF_AN_END, without_messages
from fringefleet.cluster.waiting import (
    SECONDS_BETWEEN_LOOKS,
    SECONDS_OF_SILENCE,
    SECONDS_TO_END,
    SECONDS_TO_END_BY_FORCE,
    SECONDS_TO_STOP,
    Clock,
    is_over,
    run_in_thread,
)
from fringefleet.errors import InputError
from fringefleet.processes.dask_defaults import cluster_defaults
from fringefleet.processes.main_program import check_may_start_processes
from fringefleet.processes.preload import DEVICE, FAILURES_ARE_SAID

logger = logging.getLogger(__name__)

_MOST_SILENCES = 12  # times the silence that is too long, in all: also what works may never come to an end
_SECONDS_BETWEEN_COUNTS = 0.02  # of the workers that are there


class Start:
    """A cluster that is being started in a thread, while this one does something else and feels a Ctrl-C."""

    def __init__(self, kind: type[Cluster], options: ClusterOptions, said: Mapping[str, Any]) -> None:
        self.options = options
        self._name, self._births = kind.__name__, Births()
        security = temporary_security(options)
        keywords: dict[str, Any] = {"silence_logs": logging.ERROR, "security": security}
        keywords |= {"interface": options.interface} if options.interface else {"host": LOOPBACK}
        if options.worker_memory is not None:
            keywords["memory_limit"] = options.worker_memory
        if options.options.get("processes", True):
            keywords["worker_class"] = type("Nanny", (PatientNanny,), {"births": self._births})
        else:  # threads, which would speak no TCP
            keywords["protocol"] = "tls" if security else "tcp"
        self._client: Client | None = None
        self._is_stopped = False
        self._quiet = ExitStack()
        self._quiet.enter_context(without_messages(OF_A_START, self._births.note_error))
        _start_resource_tracker()  # else it would be started by a thread of these, and unblock Ctrl-C there
        self._cluster = run_in_thread(lambda: _recorded(kind, self._births)(**{**keywords, **said}))

    @contextmanager
    def workers(self, n_worker: int | None = None) -> Iterator[Client]:
        """Wait for the workers, as many as were begun with or ``n_worker``, and make their client current.

        Raises
        ------
        InputError
            They could not be started; says why.
        """
        given = ", ".join(f"{key} = {value!r}" for key, value in self.options.options.items())
        advice = f" Look at its options: {given}." if given else ""
        interface = f" on interface {self.options.interface}" if self.options.interface else ""
        try:
            with self._quiet:
                self._client = self._wait_for(run_in_thread(lambda: self._join(n_worker)))
        except Exception as error:
            reason = (self._births.failure or in_words(error)).rstrip(".")
            raise InputError(f"{self._name} could not be started{interface}: {reason}.{advice}") from (
                None if self._births.failure else error
            )
        with without_messages(OF_A_CLUSTER), self._client.as_current():
            yield self._client

    def _wait_for(self, joined: Future[Client]) -> Client:
        """Wait as long as there are signs of life."""
        births, said = self._births, self.options.wait_seconds
        seconds = SECONDS_OF_SILENCE if said is None else said
        clock = Clock(seconds, _MOST_SILENCES * seconds)
        try:
            while births.failure is None and not is_over(joined, SECONDS_BETWEEN_LOOKS):
                if clock.is_up(births.life(), births.describe()):
                    births.failure = (
                        f"waited {clock.waited:.0f} s for {births.describe()}, at last without a sign of "
                        "life; give more seconds with --wait"
                    )
            return joined.result(0)
        except BaseException:
            self._give_up(joined)
            raise

    def _join(self, n_worker: int | None) -> Client:
        cluster: Any = self._cluster.result()
        try:
            client = Client(cluster)
            if n_worker not in (None, len(cluster.worker_spec)):
                cluster.scale(n_worker)
                while len(client.nthreads()) != n_worker and not self._births.is_given_up:
                    sleep(_SECONDS_BETWEEN_COUNTS)
        except BaseException:
            cluster.close(timeout=SECONDS_TO_END)
            raise
        return client

    def _give_up(self, future: Future[Any]) -> None:
        """Give up, again and again as others may come to be meanwhile, until a thread is at its end."""
        deadline = monotonic() + SECONDS_TO_END
        self._births.give_up()
        while not is_over(future, SECONDS_BETWEEN_LOOKS) and monotonic() < deadline:
            self._births.give_up()

    def stop(self, *, in_good_order: bool) -> None:
        """Stop what has been started by now, once: that it takes too long is no failure."""
        if self._is_stopped:
            return
        self._is_stopped = True
        with self._quiet, without_messages(OF_AN_END):
            if self._client is None:
                self._give_up(self._cluster)
            closing = run_in_thread(self._close)
            try:
                is_over(closing, SECONDS_TO_STOP if in_good_order else SECONDS_TO_END)
            finally:
                self._births.give_up()
            is_over(closing, SECONDS_TO_END_BY_FORCE)
            self._births.give_up()

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._cluster.done() and self._cluster.exception() is None:
            self._cluster.result().close()


@contextmanager
def begun(
    kind: type[Cluster], options: ClusterOptions, settings: Mapping[str, Any], said: Mapping[str, Any]
) -> Iterator[Start]:
    """Begin to start a cluster of a kind that runs here, listening on this machine only; stop it at last.

    The settings are those of Dask's configuration for as long as it lasts; what is said are keywords of the
    kind, which come before what is said for all.
    """
    check_may_start_processes()
    known = known_keywords(*kind.__mro__, *Nanny.__mro__, *Worker.__mro__)
    for name in options.options:
        check_known(name, known, f"keyword for {kind.__name__}")
    settings = {**settings, **http_settings(options), DEVICE: options.device}
    # A tile that fails is said by us, once; who wants to know more sees the traceback on its worker.
    settings[FAILURES_ARE_SAID] = not logger.isEnabledFor(logging.DEBUG)
    with ExitStack() as opened:
        folder = opened.enter_context(private_folder(options.options))
        opened.enter_context(dask.config.set(cluster_defaults()))
        opened.enter_context(dask.config.set(settings))
        start = Start(kind, options, {**said, **local_keywords(options), "local_directory": folder})
        try:
            yield start
        except BaseException:
            start.stop(in_good_order=False)
            raise
        start.stop(in_good_order=True)


def _recorded(kind: type[Cluster], births: Births) -> type[Cluster]:
    """Let a cluster be known from the beginning of its constructor, which waits for its workers."""

    def begin(self: Any, **said: Any) -> None:
        births.cluster = self
        kind.__init__(self, **said)

    return type(kind.__name__, (kind,), {"__init__": begin})


def _start_resource_tracker() -> None:
    """Start the process of multiprocessing that removes what dead ones leave; it is not to warn of it.

    Nor is it to end before this process does, when the terminal is closed.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")  # which it is started with
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions.pop()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
