"""GPUs of this machine by UUID, what else uses them, and whether torch, driver and dask-cuda match."""

import os
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any, NamedTuple

import psutil

from fringefleet.cluster.local import load_local_cuda
from fringefleet.cluster.options import VISIBLE
from fringefleet.doctor.finding import Finding, note, ok, problem, with_unit
from fringefleet.errors import FringefleetError
from fringefleet.processes.gpus import count_by_driver

_MOST_USED = 0.1  # share of the memory of a GPU in use that is not worth a word
_WHEELS = "https://pytorch.org/get-started/locally"


class Gpu(NamedTuple):
    """GPU as the driver describes it.

    ``memory``, ``used``: [byte]. ``users``: processes that compute on it. ``is_partitioned``: MIG.
    """

    number: int
    uuid: str
    name: str
    memory: int
    used: int
    users: tuple[str, ...]
    is_partitioned: bool


class Driver(NamedTuple):
    """NVIDIA driver, with the newest CUDA that it supports, such as (13, 0), and its GPUs."""

    version: str
    cuda: tuple[int, int]
    gpus: tuple[Gpu, ...]


def read_driver() -> Driver | Finding:
    """Ask the NVIDIA driver; a finding if there is none, or it does not answer."""
    try:
        nvml = import_module("pynvml")
    except ImportError:
        n_gpu = count_by_driver()
        return note(
            "driver",
            f"nvidia-ml-py, which asks the driver, is not installed; CUDA counts {n_gpu} GPUs",
            "pip install nvidia-ml-py, which dask-cuda brings, too." if n_gpu else "",
            n_gpu=n_gpu,
        )
    try:
        nvml.nvmlInit()
    except nvml.NVMLError_LibraryNotFound:
        return note(
            "driver", "no NVIDIA driver: runs compute on the CPU, and --device cuda is refused", n_gpu=0
        )
    except nvml.NVMLError as error:
        return problem(
            "driver",
            f"the NVIDIA driver does not answer: {error}",
            "Look at nvidia-smi and the system log. After an update of the driver restart the machine; in a "
            "container start it with access to the GPUs (deploy/README.md).",
        )
    try:
        cuda = int(nvml.nvmlSystemGetCudaDriverVersion())
        gpus = tuple(_read_gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))
        return Driver(_text(nvml.nvmlSystemGetDriverVersion()), (cuda // 1000, cuda % 1000 // 10), gpus)
    except nvml.NVMLError as error:
        return problem("driver", f"the driver fails when asked: {error}", "Look at nvidia-smi.")
    finally:
        with suppress(nvml.NVMLError):
            nvml.nvmlShutdown()


def _read_gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    uuid, name = _text(nvml.nvmlDeviceGetUUID(handle)), _text(nvml.nvmlDeviceGetName(handle))
    total = used = 0
    with suppress(nvml.NVMLError):  # those that share the memory of the machine have none
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        total, used = int(memory.total), int(memory.used)
    users: tuple[str, ...] = ()
    with suppress(nvml.NVMLError):
        running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        users = tuple(_describe(item) for item in running if item.pid != os.getpid())
    is_partitioned = False
    with suppress(nvml.NVMLError):
        is_partitioned = nvml.nvmlDeviceGetMigMode(handle)[0] == nvml.NVML_DEVICE_MIG_ENABLE
    return Gpu(index, uuid, name, total, used, users, is_partitioned)


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _describe(running: Any) -> str:
    name = "a process"
    with suppress(psutil.Error):  # of another container, say
        name = psutil.Process(running.pid).name()
    size = getattr(running, "usedGpuMemory", None)
    return f"{name} (pid {running.pid}{f', {with_unit(size)}' if size else ''})"


def examine_gpus() -> Iterator[Finding]:
    """List the GPUs, what else uses them, and which of them this process may use."""
    driver = read_driver()
    if isinstance(driver, Finding):
        yield driver
        return
    cuda = ".".join(map(str, driver.cuda))
    n_gpu, facts = len(driver.gpus), {"version": driver.version, "cuda": cuda}
    yield ok("driver", f"{driver.version}, for CUDA up to {cuda}; {n_gpu} GPUs", n_gpu=n_gpu, **facts)
    for gpu in driver.gpus:
        yield _check_gpu(gpu)
    if driver.gpus:
        yield _check_visible(n_gpu)


def _check_gpu(gpu: Gpu) -> Finding:
    name, facts = f"GPU {gpu.number}", gpu._asdict()
    text = f"{gpu.name}, {gpu.uuid}, {with_unit(gpu.memory)}, of which {with_unit(gpu.used)} are used"
    text += f" by {', '.join(gpu.users)}" if gpu.users else ""
    if gpu.is_partitioned:
        advice = f"Name the instances in {VISIBLE} by UUID, as nvidia-smi -L lists them."
        return note(name, f"{text}; it is partitioned (MIG)", advice, **facts)
    if gpu.users or gpu.used > _MOST_USED * gpu.memory:
        advice = f"Choose another with {VISIBLE}, or wait: a worker takes the memory that is free."
        return note(name, text, advice, **facts)
    return ok(name, text, **facts)


def _check_visible(n_gpu: int) -> Finding:
    said, n_visible = os.environ.get(VISIBLE), count_by_driver()
    text = f"this process sees {n_visible} of {n_gpu} GPUs"
    text += "" if said is None else f"; {VISIBLE} is {said!r}"
    facts = {"n_visible": n_visible, "cuda_visible_devices": said}
    if n_visible == 0:
        advice = f"Unset {VISIBLE}, or name GPUs in it that are there; in Slurm request one (--gres=gpu:1)."
        return problem("visible", text, advice, **facts)
    return ok("visible", text, **facts)


def examine_torch() -> Iterator[Finding]:
    """Compare the CUDA that torch was built for with that of the driver."""
    try:
        torch = import_module("torch")
    except (ImportError, OSError) as error:
        yield problem("torch", f"torch cannot be imported: {error}", "Install it again.")
        return
    driver = read_driver()
    built, cuda = torch.version.cuda, driver.cuda if isinstance(driver, Driver) else None
    facts = {"version": str(torch.__version__), "cuda": built, "driver_cuda": cuda}
    text = f"{torch.__version__}, " + ("without CUDA" if built is None else f"for CUDA {built}")
    has_gpu = isinstance(driver, Driver) and bool(driver.gpus)
    if built is None and has_gpu:
        advice = f"Install a CUDA build of torch ({_WHEELS}); this one computes on the CPU only."
        yield problem("torch", f"{text}, and there are GPUs", advice, **facts)
    elif built is not None and cuda is not None and int(built.split(".")[0]) > cuda[0]:
        newest = ".".join(map(str, cuda))
        advice = f"Update the driver, or install torch for CUDA {cuda[0]} ({_WHEELS})."
        yield problem("torch", f"{text}; the driver supports CUDA up to {newest}", advice, **facts)
    elif has_gpu and count_by_driver() and not torch.cuda.is_available():
        advice = "Look at nvidia-smi; python -c 'import torch; torch.cuda.init()' has torch's reason."
        yield problem("torch", f"{text}, and it finds no GPU that it can use", advice, **facts)
    else:
        yield ok("torch", text, **facts)


def examine_dask_cuda() -> Iterator[Finding]:
    """Check that dask-cuda works where there are several GPUs."""
    n_gpu = count_by_driver()
    if n_gpu < 2:
        yield ok("dask-cuda", "not needed: this process sees fewer than two GPUs")
        return
    try:
        load_local_cuda()
    except FringefleetError as error:
        yield problem("dask-cuda", f"{n_gpu} GPUs, and no worker for each: {error}", "See the message.")
    else:
        yield ok("dask-cuda", f"it can start a worker on each of {n_gpu} GPUs")
