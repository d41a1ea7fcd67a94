"""GPUs of this machine, as far as known without torch, which takes seconds to import.

The CUDA driver knows their number; whether torch can use them is found where it computes. If the driver is
missing, or finds no GPU, torch explains why.
"""

import ctypes

from fringefleet.engine.solver_choice import check_solver
from fringefleet.options import Options

_DRIVER = "libcuda.so.1"


def count_gpus() -> int:
    """Count the GPUs visible to this process, without creating a context on any.

    Raises
    ------
    DeviceError
        There are none.
    """
    n_gpu = count_by_driver()
    if n_gpu:
        return n_gpu
    from fringefleet.engine import device  # noqa: PLC0415 - imports torch, for its explanation

    return device.count_visible()


def check_here(options: Options) -> None:
    """Reject a device that this machine does not have, before workers are started on it.

    Raises
    ------
    DeviceError
        There is no such device, or the fused solver lacks a requirement.
    """
    if options.solver == "fused" or (options.device == "cuda" and not count_by_driver()):
        check_solver(options)


def count_by_driver() -> int:
    """Count the GPUs that the driver shows this process, by ``CUDA_VISIBLE_DEVICES``; 0 without one."""
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return 0
    number = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(number)) != 0:
        return 0
    return number.value
