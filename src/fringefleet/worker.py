"""Where a tile was computed: the process, its host, its Dask worker, its GPU."""

import os
import socket
from functools import cache

from distributed import Worker, get_worker

from fringefleet.device import DeviceName, peak_bytes, visible_gpu

Record = dict[str, str | int | None]


def worker_record(device: DeviceName, dask_worker: Worker | None = None) -> Record:
    """Describe the process that this is called in, in plain values.

    Parameters
    ----------
    device
        What it computes on. On ``cpu`` nothing is asked of CUDA.
    dask_worker
        Given by ``Client.run``; inside a task it is found without.

    Returns
    -------
    dict
        ``host``, ``pid``; ``worker`` and ``address``: its name and address, None outside a worker;
        ``cuda_visible_devices``; ``gpu``: UUID of the GPU (of the instance, where a GPU is divided);
        ``gpu_name``; ``gpu_peak_bytes``: most device memory that this process has had so far [byte]. The
        ``gpu`` ones are None on the CPU.

    Raises
    ------
    DeviceError
        A GPU is asked for and this process sees none.
    """
    worker = dask_worker or _this_worker()
    record: Record = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "worker": None if worker is None else str(worker.name),
        "address": None if worker is None else str(worker.address),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "gpu": None,
        "gpu_name": None,
        "gpu_peak_bytes": None,
    }
    if device == "cuda":
        uuid, name = _gpu()
        record |= {"gpu": uuid, "gpu_name": name, "gpu_peak_bytes": peak_bytes()}
    return record


@cache
def _gpu() -> tuple[str, str]:
    return visible_gpu()


def _this_worker() -> Worker | None:
    try:
        return get_worker()
    except ValueError:
        return None
