"""Workers on this machine: a process for each core, or for each GPU."""

from contextlib import AbstractContextManager

from dask.system import CPU_COUNT
from distributed import LocalCluster
from distributed.deploy.cluster import Cluster

from fringefleet.cluster.options import ClusterOptions, named_gpus
from fringefleet.cluster.start import Start, begun
from fringefleet.cluster.waiting import SECONDS_OF_SILENCE
from fringefleet.errors import DeviceError, MissingExtraError, OptionError
from fringefleet.processes.gpus import count_gpus

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


def begin_local(options: ClusterOptions, *, first_only: bool = False) -> AbstractContextManager[Start]:
    """Begin to start processes with one thread each, for a tile at a time; with ``first_only`` just one.

    Of ``local-cuda`` there is always one for each GPU, which sees that one first.

    Raises
    ------
    MissingExtraError
        dask-cuda is not installed, or lacks what it needs for the version of CUDA.
    DeviceError
        A GPU is asked for, and there is none, or no driver.
    OptionError
        More workers are asked for than there are GPUs, or several would have the same and nobody said that
        they may.
    """
    if options.kind == "local-cuda":
        return _begin_local_cuda(options)
    n_worker = count_local(options)
    if options.device == "cuda":
        count_gpus()
        if n_worker > 1 and not options.share_gpu:
            raise OptionError(
                f"found {n_worker} local workers with --device cuda, which would all have the first GPU; "
                "give --cluster local-cuda for one worker on each GPU, or say --share-gpu."
            )
    said = {"n_workers": 1 if first_only else n_worker, "threads_per_worker": 1}
    return begun(LocalCluster, options, SETTINGS | LOCAL_SETTINGS, said)


def _begin_local_cuda(options: ClusterOptions) -> AbstractContextManager[Start]:
    n_gpu = count_local_gpus(options)
    if options.n_worker is not None and options.n_worker > n_gpu:
        raise OptionError(
            f"found {options.n_worker} workers for {n_gpu} GPUs; give {n_gpu} or fewer. For several workers "
            "on the first GPU give --cluster local --share-gpu."
        )
    # Nothing that Dask could move or spill lies on the GPU, so it is not to watch that memory.
    said = {"n_workers": options.n_worker, "threads_per_worker": 1, "device_memory_limit": 0}
    return begun(_local_cuda_cluster(), options, SETTINGS | LOCAL_SETTINGS, said)


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
    n_visible, named = count_gpus(), named_gpus(options.options)
    return n_visible if named is None else len(named)


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
