"""Device that this process computes on: chosen once, never replaced silently."""

import logging
import mmap
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import torch
from numpy.typing import NDArray

from fringefleet.choices import DeviceName
from fringefleet.errors import DeviceError

logger = logging.getLogger(__name__)


def select(name: DeviceName) -> torch.device:
    """Return the requested device.

    On a worker that is pinned to one GPU, that GPU is always ``cuda:0``: the worker's
    ``CUDA_VISIBLE_DEVICES`` puts it first.

    Raises
    ------
    DeviceError
        CUDA was requested but is not available; there is no fallback to the CPU.
    """
    if name == "cpu":
        return torch.device("cpu")
    if torch.version.cuda is None:
        raise DeviceError(
            f"found torch {torch.__version__}, a build without CUDA; --device cuda needs a CUDA build of "
            "torch and an NVIDIA driver. Install one, or choose --device cpu."
        )
    if not torch.cuda.is_available():
        raise DeviceError(
            f"torch {torch.__version__} finds no CUDA device on this machine; --device cuda needs an NVIDIA "
            "GPU with its driver. Check nvidia-smi and CUDA_VISIBLE_DEVICES, or choose --device cpu."
        )
    return torch.device("cuda:0")


def visible_gpu() -> tuple[str, str]:
    """Return UUID and name of the GPU that this process computes on.

    The UUID is the same in every process, whatever number ``CUDA_VISIBLE_DEVICES`` assigns to the GPU. Where
    a GPU is partitioned (MIG) it is that of the instance.

    Raises
    ------
    DeviceError
        There is no GPU.
    """
    properties = torch.cuda.get_device_properties(select("cuda"))
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    uuid = first if first.startswith("MIG-") else f"GPU-{properties.uuid}"
    return uuid, str(properties.name)


def count_visible() -> int:
    """Count the GPUs visible to this process.

    Raises
    ------
    DeviceError
        There are none.
    """
    select("cuda")
    return torch.cuda.device_count()


def memory_of_gpu() -> int:
    """Return the total memory [byte] of the GPU that this process computes on.

    Raises
    ------
    DeviceError
        There is no GPU.
    """
    return int(torch.cuda.get_device_properties(select("cuda")).total_memory)


def peak_bytes() -> int:
    """Return the peak GPU memory [byte] that torch has allocated in this process."""
    return int(torch.cuda.max_memory_reserved(0))


def free_bytes(device: torch.device) -> int:
    """Return the free memory [byte] of a CUDA device, including torch's own unused blocks."""
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free) + int(unused)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error reports a failed memory allocation: torch's, RMM's or Python's."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower().replace("_", " ")
    return "out of memory" in text or "can't allocate memory" in text or "bad alloc" in text


def is_broken(error: BaseException) -> bool:
    """Return whether an error reports a GPU failure, after which CUDA is unusable in this process."""
    text = str(error).lower()
    said = isinstance(error, torch.AcceleratorError) or "cuda error" in text or "error [cuda]" in text
    return said and not is_out_of_memory(error)


def has_own_memory(device: torch.device) -> bool:
    """Return whether data have to be copied to a device and back."""
    return device.type != "cpu"


def synchronize(device: torch.device) -> None:
    """Wait until a device has finished the work submitted by this thread."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


_idle_streams: list[torch.cuda.Stream] = []  # torch keeps memory for each stream: few, reused


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Run this thread's work on a device concurrently with that of others, on a stream of its own.

    On exit all submitted work is done, because others may reuse the memory.
    """
    if device.type != "cuda":
        yield
        return
    try:
        stream = _idle_streams.pop()
    except IndexError:
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):
        yield
        stream.synchronize()
    _idle_streams.append(stream)  # except one on which something failed


@contextmanager
def shared_memory(device: torch.device) -> Iterator[None]:
    """Share memory allocated on a device meanwhile between all streams, one after the other.

    Torch keeps freed memory for the stream that it was allocated on: without this, each stream would
    allocate a workspace of its own.
    """
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.default_stream(device)
    with torch.cuda.stream(stream):
        yield
        stream.synchronize()


def page_locked(n_byte: int) -> NDArray[np.uint8]:
    """Allocate host memory that a GPU copies from and to directly, at full speed.

    Where the system does not allow it, ordinary memory is returned, with a warning.

    Parameters
    ----------
    n_byte
        Size [byte].
    """
    page = mmap.PAGESIZE
    n_locked = -(-n_byte // page) * page
    owner = np.empty(n_locked + page, np.uint8)  # pages that contain nothing else
    first = -owner.ctypes.data % page
    memory = owner[first : first + n_byte]
    runtime = torch.cuda.cudart()  # type: ignore[no-untyped-call]
    address = owner.ctypes.data + first
    code = int(runtime.cudaHostRegister(address, n_locked, 0)) if n_byte else 0
    if code:
        with suppress(RuntimeError):  # CUDA would report it to the next kernel, as if that had failed
            torch.zeros(1, device="cuda").add_(1)
        logger.warning(
            "could not page-lock %d MB of memory (CUDA error %d), so copies to the GPU are slower; check the "
            "limit of locked memory, ulimit -l",
            n_byte // 10**6,
            code,
        )
    elif n_byte:
        weakref.finalize(owner, runtime.cudaHostUnregister, address).atexit = False
    return memory


def release_memory(device: torch.device) -> None:
    """Release the memory of a device that torch keeps for later."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


class _OneThread:
    """Counter of the blocks being solved, so that the last one restores the settings."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.n_block = 0
        self.n_thread = 1

    def enter(self) -> None:
        with self.lock:
            if self.n_block == 0:
                self.n_thread = torch.get_num_threads()
            self.n_block += 1
        torch.set_num_threads(1)

    def leave(self) -> None:
        with self.lock:
            self.n_block -= 1
            if self.n_block == 0:
                torch.set_num_threads(self.n_thread)


_one_thread = _OneThread()


@contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """Limit torch to one thread while blocks are solved on the CPU: one thread per tile.

    Tiles run in parallel on the cores; threads within them would only compete.
    """
    if device.type != "cpu":
        yield
        return
    _one_thread.enter()
    try:
        yield
    finally:
        _one_thread.leave()
