"""The driver of a machine that has no GPU: as much of NVIDIA's pynvml as dask-cuda and distributed ask.

First on PYTHONPATH it takes the place of the real one. PRETEND_GPUS says how many GPUs there are.
"""
# ruff: noqa: N801, N802, N815, N816, N818

import os

N_GPU = int(os.environ.get("PRETEND_GPUS", "0"))
CUDA = int(os.environ.get("PRETEND_CUDA", "13000"))  # newest of the driver
USERS = [int(pid) for pid in os.environ.get("PRETEND_USERS", "").split()]  # pids on the first GPU
TOTAL, USED = 16 << 30, 123 << 20
NVML_TEMPERATURE_GPU = 0
NVML_DEVICE_MIG_DISABLE, NVML_DEVICE_MIG_ENABLE = 0, 1


class NVMLError(Exception):
    pass


class NVMLError_NotSupported(NVMLError):
    pass


class NVMLError_LibraryNotFound(NVMLError):
    pass


class NVMLError_DriverNotLoaded(NVMLError):
    pass


class NVMLError_NoPermission(NVMLError):
    pass


class NVMLError_Unknown(NVMLError):
    pass


class NVMLError_InvalidArgument(NVMLError):
    pass


class NVMLError_NotFound(NVMLError):
    pass


class NVMLError_Uninitialized(NVMLError):
    pass


class Memory:
    total, used, free = TOTAL, USED, TOTAL - USED


class Utilization:
    gpu, memory = 7, 3


def nvmlInit():
    if N_GPU == 0:
        raise NVMLError_LibraryNotFound("NVML Shared Library Not Found")


def nvmlShutdown():
    pass


def nvmlDeviceGetCount():
    return N_GPU


def nvmlDeviceGetHandleByIndex(index):
    if not 0 <= int(index) < N_GPU:
        raise NVMLError_InvalidArgument(index)
    return int(index)


def nvmlDeviceGetHandleByUUID(uuid):
    text = uuid.decode() if isinstance(uuid, bytes) else uuid
    return nvmlDeviceGetHandleByIndex(text.rsplit("-", 1)[1])


def nvmlDeviceGetUUID(handle):
    return f"GPU-pretend-{handle}"


def nvmlDeviceGetIndex(handle):
    return handle


def nvmlDeviceIsMigDeviceHandle(_handle):
    return False


def nvmlDeviceGetMigMode(_handle):
    raise NVMLError_NotSupported


def nvmlDeviceGetMemoryInfo(_handle):
    return Memory()


def nvmlDeviceGetUtilizationRates(_handle):
    return Utilization()


def nvmlDeviceGetName(handle):
    return f"Pretend GPU {handle}"


def nvmlDeviceGetCpuAffinity(_handle, n_word):
    cores = sum(1 << core for core in os.sched_getaffinity(0) if core < 64)
    return [cores] + [0] * (n_word - 1)


class Process:
    usedGpuMemory = USED

    def __init__(self, pid):
        self.pid = pid


def nvmlDeviceGetComputeRunningProcesses_v2(handle):
    return [Process(pid) for pid in USERS if handle == 0]


nvmlDeviceGetComputeRunningProcesses = nvmlDeviceGetComputeRunningProcesses_v2
nvmlDeviceGetComputeRunningProcesses_v3 = nvmlDeviceGetComputeRunningProcesses_v2


def nvmlSystemGetDriverVersion():
    return "600.00"


def nvmlSystemGetCudaDriverVersion():
    return CUDA
