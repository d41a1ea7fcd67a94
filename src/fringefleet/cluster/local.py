"""Workers on this machine: a process for each core, or for each GPU."""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from typing import Any

import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster
from distributed.deploy.cluster import Cluster

from fringefleet.cluster.hush import hushed
from fringefleet.cluster.nannies import Births, in_words, nanny_class, noted_errors
from fringefleet.cluster.options import VISIBLE, ClusterOptions
from fringefleet.cluster.patience import (
    SECONDS_OF_SILENCE,
    SECONDS_TO_END,
    SECONDS_TO_STOP,
    NothingCameError,
    end_within,
    wait_for,
)
from fringefleet.cluster.security import LOOPBACK, private_folder, temporary_security
from fringefleet.cluster.serving import device_settings, http_settings, local_keywords
from fringefleet.dask_defaults import cluster_defaults
from fringefleet.errors import DeviceError, InputError, MissingExtraError, OptionError
from fringefleet.gpus import count_gpus
from fringefleet.main_program import check_may_start_processes

logger = logging.getLogger(__name__)

OF_A_CLUSTER = ("tornado.application", "asyncio", "distributed")  # loggers
PYTHON_WARNINGS = "PYTHONWARNINGS"
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
    "distributed.deploy.lost-worker-timeout": f"{SECONDS_OF_SILENCE:g} s",
}
# glibc gives arrays of up to 32 MB back to the system at once unless told otherwise, and every tile pays for
# its page faults again: 6.5 s instead of 2.5 s of system time a worker, for 1000 x 1000 pixels and 288 pairs.
# It also keeps memory for each thread that ever asked for some; of a few threads two are enough.
LOCAL_SETTINGS = {
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 2**28,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 2**25,
    "distributed.nanny.pre-spawn-environ.MALLOC_ARENA_MAX": 2,
}


@contextmanager
def start_local(options: ClusterOptions) -> Iterator[Client]:
    """Start processes with one thread each, for a tile at a time.

    Raises
    ------
    DeviceError
        A GPU is asked for and there is none.
    OptionError
        Several processes would have the same GPU, and nobody said that they may.
    """
    n_worker = count_local(options)
    if options.device == "cuda":
        count_gpus()
        if n_worker > 1 and not options.share_gpu:
            raise OptionError(
                f"found {n_worker} local workers with --device cuda, which would all have the first GPU; "
                "give --cluster local-cuda for one worker on each GPU, or say --share-gpu."
            )
    said = {"n_workers": n_worker, "threads_per_worker": 1}
    with _started(LocalCluster, options, said) as client:
        yield client


@contextmanager
def start_local_cuda(options: ClusterOptions) -> Iterator[Client]:
    """Start one process for each GPU, which sees that one first.

    Raises
    ------
    MissingExtraError
        dask-cuda is not installed, or lacks what it needs for the version of CUDA.
    DeviceError
        There is no GPU, or no driver.
    OptionError
        More workers are asked for than there are GPUs.
    """
    n_gpu = count_local_gpus(options)
    if options.n_worker is not None and options.n_worker > n_gpu:
        raise OptionError(
            f"found {options.n_worker} workers for {n_gpu} GPUs; give {n_gpu} or fewer. For several workers "
            "on the first GPU give --cluster local --share-gpu."
        )
    # Nothing that Dask could move or spill lies on the GPU, so it is not to watch that memory.
    said = {"n_workers": options.n_worker, "threads_per_worker": 1, "device_memory_limit": 0}
    with _started(_local_cuda_cluster(), options, said) as client:
        yield client


def count_local(options: ClusterOptions) -> int:
    """Count the local processes: as many as asked for, else one for each core, or one for a GPU."""
    return options.n_worker or (1 if options.device == "cuda" else CPU_COUNT)


def count_local_gpus(options: ClusterOptions) -> int:
    """Count the GPUs of this machine that are visible, or that are named.

    Raises
    ------
    DeviceError
        There is none.
    """
    n_visible = count_gpus()
    named = options.options.get(VISIBLE)
    if named is None:
        return n_visible
    return len(named.split(",") if isinstance(named, str) else named)


def _local_cuda_cluster() -> type[Cluster]:
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
    cluster: type[Cluster] = LocalCUDACluster
    return cluster


@contextmanager
def _started(kind: type[Cluster], options: ClusterOptions, said: dict[str, Any]) -> Iterator[Client]:
    """Start a cluster of a kind that runs here, listening on this machine only; stop it at last."""
    check_may_start_processes()
    births = Births()
    with ExitStack() as opened:
        folder = opened.enter_context(private_folder(options.options))
        opened.enter_context(dask.config.set(cluster_defaults()))
        opened.enter_context(dask.config.set(_settings(options)))
        said = {**_keywords(options, births), **said, **local_keywords(options), "local_directory": folder}
        with _refused(kind.__name__, options):
            client = _start(_recorded(kind, births), options, said, births)
        with _stopped_at_last(client, births):
            yield client


def _settings(options: ClusterOptions) -> dict[str, Any]:
    return SETTINGS | LOCAL_SETTINGS | http_settings(options) | device_settings(options)


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


def _start(kind: type[Cluster], options: ClusterOptions, said: dict[str, Any], births: Births) -> Client:
    """Start a cluster and its client in a thread, while this one feels a Ctrl-C."""

    def begin() -> Client:
        cluster = kind(**said)
        try:
            return Client(cluster)
        except BaseException:
            cluster.close(timeout=SECONDS_TO_END)
            raise

    _start_resource_tracker()  # else it would be started by a thread of these, and unblock Ctrl-C there
    seconds = SECONDS_OF_SILENCE if options.wait_seconds is None else options.wait_seconds
    quiet = () if logger.isEnabledFor(logging.DEBUG) else OF_A_CLUSTER
    with hushed(quiet), noted_errors(births):
        return wait_for(begin, births, seconds)


@contextmanager
def _stopped_at_last(client: Client, births: Births) -> Iterator[None]:
    """Make a client current; stop it and its cluster at last: that it takes too long is no failure."""
    seconds = SECONDS_TO_STOP
    cluster: Any = client.cluster

    def stop() -> None:
        client.close()
        cluster.close()

    try:
        with client.as_current():
            yield
    except BaseException:
        seconds = SECONDS_TO_END
        raise
    finally:
        with hushed(OF_A_CLUSTER):  # which may be torn down in mid-work
            end_within(stop, seconds, births.give_up)
            births.give_up()


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
    """Start the process of multiprocessing that removes what dead ones leave; it is not to warn of it."""
    said = os.environ.get(PYTHON_WARNINGS)
    os.environ[PYTHON_WARNINGS] = ",".join(filter(None, (said, "ignore:resource_tracker:UserWarning")))
    try:
        resource_tracker.ensure_running()
    finally:
        if said is None:
            del os.environ[PYTHON_WARNINGS]
        else:
            os.environ[PYTHON_WARNINGS] = said
