"""GPUs of this machine, as far as they are known without torch, which takes seconds to import.

CUDA's driver knows how many there are; what torch makes of them is found where it computes. Where the driver
is not there, or finds no GPU, torch says why.
"""

import ctypes

from fringefleet.engine.solver_choice import check_solver
from fringefleet.options import Options

_DRIVER = "libcuda.so.1"


def count_gpus() -> int:
    """Count the GPUs that this process sees; no context is made on any.

    Raises
    ------
    DeviceError
        None.
    """
    n_gpu = _count_by_driver()
    if n_gpu:
        return n_gpu
    from fringefleet.engine import device  # noqa: PLC0415 - imports torch, to say why

    return device.count_visible()


def check_here(options: Options) -> None:
    """Refuse a device that this machine does not have, before workers are started on it.

    Raises
    ------
    DeviceError
        There is none, or the fused solver lacks what it needs.
    """
    if options.solver == "fused" or (options.device == "cuda" and not _count_by_driver()):
        check_solver(options)


def _count_by_driver() -> int:
    """Ask the driver, which minds ``CUDA_VISIBLE_DEVICES``; 0 where it is missing or out of order."""
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return 0
    number = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(number)) != 0:
        return 0
    return number.value
