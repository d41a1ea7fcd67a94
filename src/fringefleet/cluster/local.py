"""Local clusters, from start to stop: one process for each core, or for each GPU."""

import logging
import signal
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from multiprocessing import resource_tracker
from time import monotonic, sleep
from typing import Any

import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, Nanny, Worker
from distributed.deploy.cluster import Cluster

from fringefleet.arguments.known import check_all_known, known_keywords
from fringefleet.cluster import exposure, waiting
from fringefleet.cluster.nannies import Births, PatientNanny, in_words
from fringefleet.cluster.options import ClusterOptions, named_gpus
from fringefleet.cluster.security import private_folder, temporary_security
from fringefleet.cluster.waiting import OF_A_CLUSTER, OF_A_START, OF_AN_END, without_messages
from fringefleet.errors import DeviceError, InputError, MissingExtraError, OptionError
from fringefleet.processes.dashboard import LOOPBACK
from fringefleet.processes.dask_defaults import cluster_defaults
from fringefleet.processes.gpus import count_gpus
from fringefleet.processes.main_program import check_may_start_processes
from fringefleet.processes.preload import DEVICE, FAILURES_ARE_SAID, HTTP_OFF, WARM_UP

SETTINGS = {
    # Tiles wait at the scheduler rather than at a worker: one that dies takes few with it.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.allowed-failures": 1,
    # Nothing is kept on the workers that could be moved or spilled; a tile fits or it does not.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": 0.9,
    "distributed.worker.memory.terminate": 0.97,
    # The scheduler keeps so many of the last messages of each of several kinds and to each worker, for its
    # developers; some hold the graph of a tile. Of 1000, as Dask has it, a big fleet has a gigabyte.
    "distributed.admin.low-level-log-length": 100,
    # A worker that was killed may be slow to come again.
    "distributed.deploy.lost-worker-timeout": f"{waiting.SECONDS_OF_SILENCE:g} s",
}
# glibc gives arrays of up to 32 MB back to the system at once unless told otherwise, and every tile pays for
# its page faults again: 6.5 s instead of 2.5 s of system time a worker, for 1000 x 1000 pixels and 288 pairs.
# It also keeps memory for each thread that ever asked for some; of a few threads two are enough.
LOCAL_SETTINGS = {
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 2**28,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 2**25,
    "distributed.nanny.pre-spawn-environ.MALLOC_ARENA_MAX": 2,
}


_MOST_SILENCES = 12  # times the silence that is too long, in all: also what works may never come to an end
_SECONDS_BETWEEN_COUNTS = 0.02  # of the workers that are there


class Start:
    """Cluster that is being started in a thread, while the caller does other work and can be interrupted."""

    def __init__(
        self, kind: type[Cluster], options: ClusterOptions, said: Mapping[str, Any], folder: str
    ) -> None:
        self.options = options
        self._name, self._births = kind.__name__, Births()
        self._client: Client | None = None
        self._is_stopped = False
        self._quiet = ExitStack()
        keywords = _keywords(options, self._births, said) | {"local_directory": folder}
        self._quiet.enter_context(without_messages(OF_A_START, self._births.note_error))
        _start_resource_tracker()  # else it would be started by a thread of these, and unblock Ctrl-C there
        self._cluster = waiting.run_in_thread(lambda: _recorded(kind, self._births)(**keywords))

    @contextmanager
    def workers(self, n_worker: int | None = None) -> Iterator[Client]:
        """Wait for the workers, and make their client current."""
        try:
            self._client = self._wait_for(waiting.run_in_thread(lambda: self._join(n_worker)))
        except Exception as error:
            reason = (self._births.failure or in_words(error)).rstrip(".")
            given = ", ".join(f"{key} = {value!r}" for key, value in self.options.options.items())
            advice = f" Look at its options: {given}." if given else ""
            where = f" on interface {self.options.interface}" if self.options.interface else ""
            raise InputError(f"{self._name} could not be started{where}: {reason}.{advice}") from (
                None if self._births.failure else error
            )
        self._quiet.close()  # after a failure, not before what was started has ended
        with without_messages(OF_A_CLUSTER), self._client.as_current():
            yield self._client

    def _wait_for(self, joined: Future[Client]) -> Client:
        """Wait as long as there are signs of life."""
        births, said = self._births, self.options.wait_seconds
        seconds = waiting.SECONDS_OF_SILENCE if said is None else said
        clock = waiting.Clock(seconds, _MOST_SILENCES * seconds)
        try:
            while births.failure is None and not waiting.is_over(joined, waiting.SECONDS_BETWEEN_LOOKS):
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
            cluster.close(timeout=waiting.SECONDS_TO_END)
            raise
        return client

    def _give_up(self, future: Future[Any]) -> None:
        """Kill processes repeatedly until the starting thread has ended, as it may start more meanwhile."""
        deadline = monotonic() + waiting.SECONDS_TO_END
        self._births.give_up()
        while not waiting.is_over(future, waiting.SECONDS_BETWEEN_LOOKS) and monotonic() < deadline:
            self._births.give_up()

    def stop(self, *, in_good_order: bool) -> None:
        """Stop what has been started, once; a timeout is no failure."""
        if self._is_stopped:
            return
        self._is_stopped = True
        with self._quiet, without_messages(OF_AN_END):
            if self._client is None:
                self._give_up(self._cluster)
            closing = waiting.run_in_thread(self._close)
            try:
                waiting.is_over(closing, waiting.SECONDS_TO_STOP if in_good_order else waiting.SECONDS_TO_END)
            finally:
                self._births.give_up()
            waiting.is_over(closing, waiting.SECONDS_TO_END_BY_FORCE)
            self._births.give_up()

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._cluster.done() and self._cluster.exception() is None:
            self._cluster.result().close()


def _keywords(options: ClusterOptions, births: Births, said: Mapping[str, Any]) -> dict[str, Any]:
    """Compose the keywords of a cluster; those of the user take precedence."""
    given, security = options.options, temporary_security(options)
    keywords: dict[str, Any] = {"silence_logs": logging.ERROR, "security": security, "threads_per_worker": 1}
    keywords |= {"interface": options.interface} if options.interface else {"host": LOOPBACK}
    if options.worker_memory is not None:
        keywords["memory_limit"] = options.worker_memory
    if given.get("processes", True):
        keywords["worker_class"] = type("Nanny", (PatientNanny,), {"births": births})
    else:  # threads, which would speak no TCP
        keywords["protocol"] = "tls" if security else "tcp"
    keywords |= {**said, **given}
    keywords["scheduler_kwargs"] = exposure.scheduler_keywords(options, given.get("scheduler_kwargs", {}))
    keywords["dashboard_address"] = given.get("dashboard_address") or exposure.ANY_PORT
    off = [] if exposure.serves_workers(options, given) else [HTTP_OFF]
    return keywords | {"preload": [*exposure.as_list(given.get("preload")), *off, WARM_UP]}


def _recorded(kind: type[Cluster], births: Births) -> type[Cluster]:
    """Make a cluster known when its constructor begins, as the constructor waits for its workers."""

    def begin(self: Any, **said: Any) -> None:
        births.cluster = self
        kind.__init__(self, **said)

    return type(kind.__name__, (kind,), {"__init__": begin})


def _start_resource_tracker() -> None:
    """Start multiprocessing's resource tracker so that it outlives the terminal."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")  # which it is started with
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions.pop()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def begin_local(options: ClusterOptions, *, first_only: bool = False) -> AbstractContextManager[Start]:
    """Begin to start processes with one thread each; only one with ``first_only``.

    ``local-cuda`` has one for each GPU. Raises an ``OptionError`` for more workers than GPUs.
    """
    n_worker = count_local(options)
    n_gpu = 0 if options.device == "cpu" else count_local_gpus(options)
    if options.kind == "local-cuda":
        if n_worker > n_gpu:
            raise OptionError(
                f"found {n_worker} workers for {n_gpu} GPUs; give {n_gpu} or fewer. For several workers on "
                "the first GPU give --cluster local --share-gpu."
            )
        # Nothing that Dask could move or spill lies on the GPU, so it is not to watch that memory.
        said = {"n_workers": options.n_worker, "device_memory_limit": 0}
        return _begun(load_local_cuda(), options, said)
    if n_gpu and n_worker > 1 and not options.share_gpu:
        raise OptionError(
            f"found {n_worker} local workers with --device cuda, which would all have the first GPU; give "
            "--cluster local-cuda for one worker on each GPU, or say --share-gpu."
        )
    return _begun(LocalCluster, options, {"n_workers": 1 if first_only else n_worker})


def count_local(options: ClusterOptions) -> int:
    """Count the processes: as requested, else one for each core, for the one GPU, or for each GPU."""
    if options.kind == "local-cuda":
        return options.n_worker or count_local_gpus(options)
    return options.n_worker or (1 if options.device == "cuda" else CPU_COUNT)


def count_local_gpus(options: ClusterOptions) -> int:
    """Count the visible or named GPUs of this machine; a ``DeviceError`` if there are none."""
    n_visible, named = count_gpus(), named_gpus(options.options)
    return n_visible if named is None else len(named)


@contextmanager
def _begun(kind: type[Cluster], options: ClusterOptions, said: Mapping[str, Any]) -> Iterator[Start]:
    """Begin to start a cluster that listens on this machine only; stop it at the end."""
    check_may_start_processes()
    known = known_keywords(*kind.__mro__, *Nanny.__mro__, *Worker.__mro__)
    check_all_known(options.options, known, f"keyword for {kind.__name__}")
    settings = SETTINGS | LOCAL_SETTINGS | exposure.http_settings(options) | {DEVICE: options.device}
    settings[FAILURES_ARE_SAID] = (
        True  # a tile that fails is said by us, once; the log for debugging has more
    )
    with ExitStack() as opened:
        folder = opened.enter_context(private_folder(options.options))
        opened.enter_context(dask.config.set(cluster_defaults() | settings))
        start = Start(kind, options, said, folder)
        try:
            yield start
        except BaseException:
            start.stop(in_good_order=False)
            raise
        start.stop(in_good_order=True)


def load_local_cuda() -> type[Cluster]:
    """Import the cluster with a worker on each GPU, and check that it can ask the driver for them."""
    try:
        import pynvml  # noqa: PLC0415 - optional
        from dask_cuda import LocalCUDACluster  # noqa: PLC0415 - optional, and slow to import
    except ImportError as error:
        raise MissingExtraError(
            f"--cluster local-cuda needs dask-cuda for your version of CUDA ({error}); install it with pip "
            "install 'fringefleet[cuda13]' (or [cuda12], as your torch is). One GPU needs no dask-cuda: "
            "--cluster local --device cuda."
        ) from error
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise DeviceError(
            f"found no NVIDIA driver that dask-cuda can ask for its GPUs ({type(error).__name__}: {error}). "
            "Look at nvidia-smi. One GPU needs no dask-cuda: --cluster local --device cuda."
        ) from error
    return LocalCUDACluster  # type: ignore[no-any-return]
