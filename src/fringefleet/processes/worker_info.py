"""Identity of the process that computes a tile - host, Dask worker, GPU - and checks of its fitness."""

import asyncio
import logging
import os
import socket
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from weakref import WeakSet

from distributed import Client, Worker, get_worker

from fringefleet.choices import DeviceName
from fringefleet.errors import DeviceError, RunError
from fringefleet.processes.cores import own_cores
from fringefleet.processes.versions import say_differences, software_versions, versions_that_must_agree

logger = logging.getLogger(__name__)

_SECONDS_TO_REPORT = 0.5  # to report that a tile failed, before its worker ends
_SECONDS_TO_END = 30.0  # that a process takes to end, at most

Record = dict[str, str | int | None]


def worker_record(device: DeviceName, dask_worker: Worker | None = None) -> Record:
    """Describe the calling process in plain values.

    Parameters
    ----------
    device
        Device that it computes on. On ``cpu`` CUDA is not queried.
    dask_worker
        Supplied by ``Client.run``; found automatically inside a task.

    Returns
    -------
    dict
        ``host``, ``cores`` (their name on the host), ``n_core`` (their number), ``pid``; ``worker`` and
        ``address``: its name and address, None outside a worker;
        ``cuda_visible_devices``; ``gpu``: UUID of the GPU (of the instance, where a GPU is partitioned);
        ``gpu_name``; ``gpu_bytes``: its memory [byte]; ``gpu_peak_bytes``: peak memory of this process on it
        so far [byte]. The ``gpu`` ones are None on the CPU.

    Raises
    ------
    DeviceError
        A GPU is requested and this process sees none.
    """
    worker, cores = dask_worker or this_worker(), own_cores()
    record: Record = {
        "host": socket.gethostname(),
        "cores": cores.name,
        "n_core": cores.number,
        "pid": os.getpid(),
        "worker": None if worker is None else str(worker.name),
        "address": None if worker is None else str(worker.address),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "gpu": None,
        "gpu_name": None,
        "gpu_bytes": None,
        "gpu_peak_bytes": None,
    }
    if device == "cuda":
        from fringefleet.engine.device import peak_bytes  # noqa: PLC0415 - torch

        uuid, name, n_byte = _gpu()
        record |= {"gpu": uuid, "gpu_name": name, "gpu_bytes": n_byte, "gpu_peak_bytes": peak_bytes()}
    return record


def check_same_software(wanted: Mapping[str, str]) -> None:
    """Check that this process has the software of the run, which a worker that joined later may not.

    Parameters
    ----------
    wanted
        :func:`~fringefleet.processes.versions.versions_that_must_agree` of the process that started the run.

    Raises
    ------
    RunError
        This process has other versions.
    """
    other = say_differences(versions_that_must_agree(software_versions()), wanted)
    if other:
        who = worker_record("cpu")
        raise RunError(
            f"worker {who['address']} on {who['host']} has {other}. Start it in the environment "
            "of the process that started the run."
        )


def ask_workers(client: Client, device: DeviceName) -> list[Record]:
    """Query the identity of all workers, and check that they can compute on a device.

    A worker that dies before it answers is ignored: another replaces it, and each tile checks its worker.

    Raises
    ------
    DeviceError
        Names the workers, and the answer of the first one.
    RunError
        The scheduler is lost.
    """
    try:
        answers = client.run(worker_record, device, on_error="return")
    except OSError as error:
        raise RunError(f"the scheduler, or the connection to it, was lost ({error}).") from error
    alive = {name: answer for name, answer in answers.items() if not isinstance(answer, OSError)}
    if len(alive) < len(answers):
        logger.warning("%d of %d workers died when queried", len(answers) - len(alive), len(answers))
    return check_answers(alive, device)


def check_answers(answers: Mapping[str, Record | Exception], device: DeviceName) -> list[Record]:
    """Check that no worker answered the query of its identity with an error.

    Returns
    -------
    list
        Answers of the workers.

    Raises
    ------
    DeviceError
        Names the workers, and the answer of the first one.
    """
    bad = {name: answer for name, answer in answers.items() if isinstance(answer, Exception)}
    if bad:
        first = next(iter(bad.values()))
        raise DeviceError(
            f"{len(bad)} of {len(answers)} workers cannot compute on {device}: {', '.join(bad)}; the first "
            f"reports: {type(first).__name__}: {first}"
        )
    return [answer for answer in answers.values() if not isinstance(answer, Exception)]


def sharing(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Find the GPUs that several workers have, by UUID, regardless of device numbers."""
    users = defaultdict(list)
    for record in records:
        if record["gpu"] is not None:
            users[str(record["gpu"])].append(record)
    return {gpu: theirs for gpu, theirs in users.items() if len(theirs) > 1}


def warn_of_slow(device: DeviceName, why: str) -> None:
    """Warn once in this process why the solver made for a device does not run in it."""
    with _telling:
        is_new = why not in _told
        _told.add(why)
    if is_new:
        _log_slow(device, why)


_telling = threading.Lock()
_told: set[str] = set()


def _log_slow(device: DeviceName, why: str) -> None:
    form = "compiled" if device == "cpu" else "fused on a GPU"
    logger.warning("the elimination is not %s, and several times slower: %s", form, why)


class GpuUsers:
    """Detector of workers that share a GPU, from the records of finished tiles: some join after the check.

    A worker that was replaced leaves its GPU to the next one and never returns; one that does return shares
    it.
    """

    def __init__(self) -> None:
        self._users: dict[str, list[str]] = {}  # addresses by GPU, in order of arrival
        self._told: set[str] = set()

    def _warn_of_slow(self, record: Mapping[str, str | int | None]) -> None:
        why = str(record.get("why_eager") or "")
        if why and why not in self._told:
            self._told.add(why)
            _log_slow("cpu" if record.get("gpu") is None else "cuda", why)

    def note(self, record: Mapping[str, str | int | None]) -> None:
        """Record the worker of a tile; warn once each of two that share a GPU, and of a slow solver."""
        self._warn_of_slow(record)
        if record.get("gpu") is None:
            return
        gpu, address = str(record["gpu"]), str(record["address"])
        users = self._users.setdefault(gpu, [])
        if address not in users:
            users.append(address)
        elif address != users[-1] and gpu not in self._told:
            self._told.add(gpu)
            logger.warning(
                "workers %s and %s both compute on GPU %s, and slow each other down; start one worker per "
                "GPU, unless this is intended",
                address,
                users[-1],
                gpu,
            )


@contextmanager
def replaced_if_gpu_breaks() -> Iterator[None]:
    """Replace this worker by a new process when its GPU fails, as CUDA is then unusable in this one.

    One tile reports it. Others that are in progress in this process, or reach it before it ends, wait for
    the end: they are computed elsewhere, and have not failed themselves.

    Raises
    ------
    RunError
        The GPU failed, and this process is not a worker that could be replaced.
    """
    worker = this_worker()
    if worker in _replaced:
        _wait_for_the_end()
    try:
        yield
    except Exception as error:
        if "torch" not in sys.modules:
            raise
        from fringefleet.engine.device import is_broken  # noqa: PLC0415 - torch

        if not is_broken(error):
            raise
        if worker is None:
            raise RunError(
                f"the GPU failed ({error}), and this process can no longer use it. Check nvidia-smi and the "
                "system log."
            ) from error
        with _replacing:
            is_first = worker not in _replaced
            _replaced.add(worker)
        if not is_first:
            _wait_for_the_end()
        else:
            logger.warning("the GPU failed; a new process replaces this worker")
            worker.loop.add_callback(_replace, worker)
        raise


_replacing = threading.Lock()
_replaced: WeakSet[Worker] = WeakSet()


def _wait_for_the_end() -> None:
    """Wait until this process ends; if it does not, let the tile fail after all."""
    time.sleep(_SECONDS_TO_END)


async def _replace(worker: Worker) -> None:
    """Make a worker's nanny start another in its place, after its messages have been sent."""
    await asyncio.sleep(_SECONDS_TO_REPORT)
    await worker.scheduler.restart_workers(
        workers=[worker.address], wait_for_workers=False, on_error="return", stimulus_id="gpu-broken"
    )


@cache
def _gpu() -> tuple[str, str, int]:
    from fringefleet.engine.device import memory_of_gpu, visible_gpu  # noqa: PLC0415 - torch

    return *visible_gpu(), memory_of_gpu()


def this_worker() -> Worker | None:
    """Find the Dask worker whose task calls this; None elsewhere."""
    try:
        return get_worker()
    except ValueError:
        return None
