"""A cluster of this machine from its first process to its last: begun, waited for, stopped."""

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from time import sleep
from typing import Any

import dask
from distributed import Client, Nanny, Worker
from distributed.deploy.cluster import Cluster

from fringefleet.cluster.nannies import Births, in_words, nanny_class
from fringefleet.cluster.options import ClusterOptions, check_known, known_keywords
from fringefleet.cluster.security import LOOPBACK, private_folder, temporary_security
from fringefleet.cluster.serving import http_settings, local_keywords
from fringefleet.cluster.silence import OF_A_CLUSTER, OF_A_START, OF_AN_END, without_messages
from fringefleet.cluster.waiting import (
    SECONDS_OF_SILENCE,
    SECONDS_TO_END,
    SECONDS_TO_STOP,
    NothingCameError,
    end_within,
    give_up,
    run_in_thread,
    wait_for,
)
from fringefleet.errors import InputError
from fringefleet.execution import warm_up
from fringefleet.processes.dask_defaults import cluster_defaults
from fringefleet.processes.main_program import check_may_start_processes

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_COUNTS = 0.02  # of the workers that are there


class Start:
    """A cluster that is being started in a thread, while this one does something else and feels a Ctrl-C."""

    def __init__(self, kind: type[Cluster], options: ClusterOptions, said: Mapping[str, Any]) -> None:
        self.options = options
        self._name, self._births = kind.__name__, Births()
        keywords = {**_keywords(options, self._births), **said}
        self._client: Client | None = None
        self._is_stopped = False
        self._quiet = ExitStack()
        self._quiet.enter_context(without_messages(OF_A_START, self._births.note_error))
        _start_resource_tracker()  # else it would be started by a thread of these, and unblock Ctrl-C there
        self._cluster = run_in_thread(lambda: _recorded(kind, self._births)(**keywords))

    @contextmanager
    def workers(self, n_worker: int | None = None) -> Iterator[Client]:
        """Wait for the workers, as many as were begun with or ``n_worker``, and make their client current.

        Raises
        ------
        InputError
            They could not be started; says why.
        """
        seconds = SECONDS_OF_SILENCE if self.options.wait_seconds is None else self.options.wait_seconds
        with self._quiet, _refused(self._name, self.options):
            self._client = wait_for(lambda: self._join(n_worker), self._births, seconds)
        with without_messages(OF_A_CLUSTER), self._client.as_current():
            yield self._client

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

    def stop(self, *, in_good_order: bool) -> None:
        """Stop what has been started by now, once: that it takes too long is no failure."""
        if self._is_stopped:
            return
        self._is_stopped = True
        with self._quiet, without_messages(OF_AN_END):
            if self._client is None:
                give_up(self._cluster, self._births)
            end_within(
                self._close, SECONDS_TO_STOP if in_good_order else SECONDS_TO_END, self._births.give_up
            )
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
    settings = {**settings, **http_settings(options), warm_up.DEVICE: options.device}
    # A tile that fails is said by us, once; who wants to know more sees the traceback on its worker.
    settings[warm_up.FAILURES_ARE_SAID] = not logger.isEnabledFor(logging.DEBUG)
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


def _keywords(options: ClusterOptions, births: Births) -> dict[str, Any]:
    """Compose what all clusters of this machine are told."""
    said: dict[str, Any] = {
        "silence_logs": logging.ERROR,
        "security": temporary_security(options),
    }
    said |= {"interface": options.interface} if options.interface else {"host": LOOPBACK}
    if options.memory_limit is not None:
        said["memory_limit"] = options.memory_limit
    if options.options.get("processes", True):
        said["worker_class"] = nanny_class(births)
    else:  # threads, which would speak no TCP
        said["protocol"] = "tls" if said["security"] else "tcp"
    return said


def _recorded(kind: type[Cluster], births: Births) -> type[Cluster]:
    """Let a cluster be known from the beginning of its constructor, which waits for its workers."""

    def begin(self: Any, **said: Any) -> None:
        births.cluster = self
        kind.__init__(self, **said)

    return type(kind.__name__, (kind,), {"__init__": begin})


@contextmanager
def _refused(name: str, options: ClusterOptions) -> Iterator[None]:
    """Say in one sentence why a cluster could not be started."""
    given = ", ".join(f"{key} = {value!r}" for key, value in options.options.items())
    advice = f" Look at its options: {given}." if given else ""
    interface = f" on interface {options.interface}" if options.interface else ""
    could_not = f"{name} could not be started{interface}"
    try:
        yield
    except Exception as error:
        cause = None if isinstance(error, NothingCameError) else error
        raise InputError(f"{could_not}: {in_words(error)}.{advice}") from cause


def _start_resource_tracker() -> None:
    """Start the process of multiprocessing that removes what dead ones leave; it is not to warn of it.

    Nor is it to end before this process does, when the terminal is closed.
    """
    said = os.environ.get("PYTHONWARNINGS")
    ours = ",".join(filter(None, (said, "ignore:resource_tracker:UserWarning")))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        os.environ["PYTHONWARNINGS"] = ours
        resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.environ.pop("PYTHONWARNINGS")
        if said is not None:
            os.environ["PYTHONWARNINGS"] = said
