"""The device that this process computes on: chosen once, never changed in silence."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fringefleet.choices import DeviceName
from fringefleet.errors import DeviceError


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
    said = isinstance(error, torch.AcceleratorError) or "cuda error" in str(error).lower()
    return said and not is_out_of_memory(error)


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
