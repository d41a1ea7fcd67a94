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
from distributed import Client
from distributed.deploy.cluster import Cluster

from fringefleet.cluster.hush import hushed
from fringefleet.cluster.nannies import Births, in_words, nanny_class, noted_errors
from fringefleet.cluster.options import ClusterOptions
from fringefleet.cluster.patience import (
    SECONDS_OF_SILENCE,
    SECONDS_TO_END,
    SECONDS_TO_STOP,
    Attempt,
    NothingCameError,
    end_within,
    give_up_attempt,
    wait_for,
)
from fringefleet.cluster.security import LOOPBACK, private_folder, temporary_security
from fringefleet.cluster.serving import device_settings, http_settings, local_keywords
from fringefleet.dask_defaults import cluster_defaults
from fringefleet.errors import InputError
from fringefleet.main_program import check_may_start_processes

logger = logging.getLogger(__name__)

OF_A_CLUSTER = ("tornado.application", "asyncio", "distributed")  # loggers
PYTHON_WARNINGS = "PYTHONWARNINGS"
SECONDS_BETWEEN_COUNTS = 0.02  # of the workers that are there


class Start:
    """A cluster that is being started in a thread, while this one does something else and feels a Ctrl-C."""

    def __init__(self, kind: type[Cluster], options: ClusterOptions, said: Mapping[str, Any]) -> None:
        self.options = options
        self._name, self._births = kind.__name__, Births()
        keywords = {**_keywords(options, self._births), **said}
        self._client: Client | None = None
        self._is_stopped = False
        self._quiet = ExitStack()
        self._quiet.enter_context(hushed(() if logger.isEnabledFor(logging.DEBUG) else OF_A_CLUSTER))
        self._quiet.enter_context(noted_errors(self._births))
        _start_resource_tracker()  # else it would be started by a thread of these, and unblock Ctrl-C there
        self._cluster: Attempt[Any] = Attempt(lambda: _recorded(kind, self._births)(**keywords))

    @contextmanager
    def workers(self, n_worker: int | None = None) -> Iterator[Client]:
        """Wait for the workers, and make their client current.

        Parameters
        ----------
        n_worker
            How many there are to be; None for as many as were begun with.

        Raises
        ------
        InputError
            They could not be started; says why.
        """
        seconds = SECONDS_OF_SILENCE if self.options.wait_seconds is None else self.options.wait_seconds
        with self._quiet, _refused(self._name, self.options):
            self._client = wait_for(lambda: self._join(n_worker), self._births, seconds)
        with self._client.as_current():
            yield self._client

    def _join(self, n_worker: int | None) -> Client:
        self._cluster.is_over.wait()
        cluster = self._cluster.get()
        try:
            client = Client(cluster)
            if n_worker not in (None, len(cluster.worker_spec)):
                cluster.scale(n_worker)
                while len(client.nthreads()) != n_worker and not self._births.is_given_up:
                    sleep(SECONDS_BETWEEN_COUNTS)
        except BaseException:
            cluster.close(timeout=SECONDS_TO_END)
            raise
        return client

    def stop(self, *, in_good_order: bool) -> None:
        """Stop what has been started by now, once: that it takes too long is no failure."""
        if self._is_stopped:
            return
        self._is_stopped = True
        with self._quiet, hushed(OF_A_CLUSTER):  # which may be torn down in mid-work
            if self._client is None:
                give_up_attempt(self._cluster, self._births)
            end_within(
                self._close, SECONDS_TO_STOP if in_good_order else SECONDS_TO_END, self._births.give_up
            )
            self._births.give_up()

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._cluster.result is not None:
            self._cluster.result.close()


@contextmanager
def begun(
    kind: type[Cluster], options: ClusterOptions, settings: Mapping[str, Any], said: Mapping[str, Any]
) -> Iterator[Start]:
    """Begin to start a cluster of a kind that runs here, listening on this machine only; stop it at last.

    Parameters
    ----------
    kind
        Its class.
    options
        What is wanted of it.
    settings
        Of Dask's configuration, for as long as it lasts.
    said
        Keywords of the class, which come before what is said for all kinds.
    """
    check_may_start_processes()
    settings = {**settings, **http_settings(options), **device_settings(options)}
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
        # A tile that fails is said by us, once; who wants to know more sees the traceback on its worker.
        "silence_logs": logging.ERROR if logger.isEnabledFor(logging.DEBUG) else logging.CRITICAL,
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
    except NothingCameError as error:
        raise InputError(f"{could_not}: {str(error).rstrip('.')}.{advice}") from None
    except Exception as error:
        raise InputError(f"{could_not}: {in_words(error)}.{advice}") from error


def _start_resource_tracker() -> None:
    """Start the process of multiprocessing that removes what dead ones leave; it is not to warn of it.

    Nor is it to end before this process does, when the terminal is closed.
    """
    said = os.environ.get(PYTHON_WARNINGS)
    os.environ[PYTHON_WARNINGS] = ",".join(filter(None, (said, "ignore:resource_tracker:UserWarning")))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if said is None:
            del os.environ[PYTHON_WARNINGS]
        else:
            os.environ[PYTHON_WARNINGS] = said
