"""The device that this process computes on: chosen once, never changed in silence."""

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
    """Return the device asked for.

    On a worker that is pinned to one GPU, that GPU is always ``cuda:0``: the worker's
    ``CUDA_VISIBLE_DEVICES`` puts it first.

    Raises
    ------
    DeviceError
        CUDA was asked for and there is none; we do not fall back to the CPU.
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
            "GPU with its driver. Look at nvidia-smi and CUDA_VISIBLE_DEVICES, or choose --device cpu."
        )
    return torch.device("cuda:0")


def visible_gpu() -> tuple[str, str]:
    """UUID and name of the GPU that this process computes on.

    The UUID is the same in every process, whatever number ``CUDA_VISIBLE_DEVICES`` gives the GPU there. Where
    a GPU is divided (MIG) it is that of the instance.

    Raises
    ------
    DeviceError
        There is none.
    """
    properties = torch.cuda.get_device_properties(select("cuda"))
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    uuid = first if first.startswith("MIG-") else f"GPU-{properties.uuid}"
    return uuid, str(properties.name)


def count_visible() -> int:
    """How many GPUs this process sees.

    Raises
    ------
    DeviceError
        None.
    """
    select("cuda")
    return torch.cuda.device_count()


def memory_of_gpu() -> int:
    """Memory [byte] of the GPU that this process computes on, whoever has it.

    Raises
    ------
    DeviceError
        There is none.
    """
    return int(torch.cuda.get_device_properties(select("cuda")).total_memory)


def peak_bytes() -> int:
    """Most memory [byte] of the GPU that torch has had for this process so far."""
    return int(torch.cuda.max_memory_reserved(0))


def free_bytes(device: torch.device) -> int:
    """Memory [byte] that a CUDA device has free for us, torch's own unused blocks included."""
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free) + int(unused)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had: torch's, RMM's, Python's."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower().replace("_", " ")
    return "out of memory" in text or "can't allocate memory" in text or "bad alloc" in text


def is_broken(error: BaseException) -> bool:
    """Whether an error says that a GPU failed: CUDA then answers nothing more in this process."""
    text = str(error).lower()
    said = isinstance(error, torch.AcceleratorError) or "cuda error" in text or "error [cuda]" in text
    return said and not is_out_of_memory(error)


def has_own_memory(device: torch.device) -> bool:
    """Whether what is solved on a device has to be copied there and back."""
    return device.type != "cpu"


def synchronize(device: torch.device) -> None:
    """Wait for what this thread has asked a device to do."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


_idle_streams: list[torch.cuda.Stream] = []  # torch keeps memory for each stream: few, used again


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Let a device do what this thread asks of it beside what others ask; on a CPU threads do that.

    When it ends, all that was asked for is done, as others may get the memory.
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
    _idle_streams.append(stream)  # but for one on which something failed


@contextmanager
def shared_memory(device: torch.device) -> Iterator[None]:
    """Let what is made on a device meanwhile be used on all streams, one after the other.

    Torch keeps what is given back for the stream that it was made on: without this, each would get a
    workspace of its own.
    """
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.default_stream(device)
    with torch.cuda.stream(stream):
        yield
        stream.synchronize()


def page_locked(n_byte: int) -> NDArray[np.uint8]:
    """Make memory of the host that a GPU copies from and to by itself, at full speed.

    Where the system does not allow it, it is memory like any other, and a warning says so.

    Parameters
    ----------
    n_byte
        How much [byte].
    """
    page = mmap.PAGESIZE
    n_locked = -(-n_byte // page) * page
    owner = np.empty(n_locked + page, np.uint8)  # pages that nothing else is in
    first = -owner.ctypes.data % page
    memory = owner[first : first + n_byte]
    runtime = torch.cuda.cudart()  # type: ignore[no-untyped-call]
    address = owner.ctypes.data + first
    code = int(runtime.cudaHostRegister(address, n_locked, 0)) if n_byte else 0
    if code:
        with suppress(RuntimeError):  # CUDA would tell the next kernel of it, as if that had failed
            torch.zeros(1, device="cuda").add_(1)
        logger.warning(
            "could not page-lock %d MB of memory (CUDA error %d), so copies to the GPU are slower; see the "
            "limit of locked memory, ulimit -l",
            n_byte // 10**6,
            code,
        )
    elif n_byte:
        weakref.finalize(owner, runtime.cudaHostUnregister, address).atexit = False
    return memory


def release_memory(device: torch.device) -> None:
    """Give back what torch keeps of a device's memory for later."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


class _OneThread:
    """Counts the blocks that are being solved, so that the last one puts things back."""

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
    """Keep torch to one thread while blocks are solved on the CPU: one thread a tile.

    Tiles run side by side on the cores; threads inside them would only get in each other's way.
    """
    if device.type != "cpu":
        yield
        return
    _one_thread.enter()
    try:
        yield
    finally:
        _one_thread.leave()
