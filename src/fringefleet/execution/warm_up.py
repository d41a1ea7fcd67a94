"""Preload module of Dask: make a worker ready for its first tile while others start, and let it end quickly.

Light to import, as every worker imports it before it starts. The worker goes on meanwhile: it registers, and
its first tile waits in line behind the warming up, which takes the thread of a tile.
"""

import asyncio
import atexit
import logging
import multiprocessing
import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import dask
from distributed import Worker

from fringefleet.choices import DeviceName
from fringefleet.importing import claim_process, without_collection
from fringefleet.processes.preload import DEVICE, FAILURES_ARE_SAID, OPTIONS
from fringefleet.processes.worker_logging import COMPUTE_FAILED, HEARTBEAT_FAILED, keep_log

FIRST_USED = (
    "fringefleet.execution.graph",
    "fringefleet.execution.tasks",
    "fringefleet.execution.stack_check",
    "fringefleet.io.lazy.versioned",
)  # by a tile

logger = logging.getLogger(__name__)


def dask_setup(worker: Worker) -> None:
    """Begin to warm up, and see to it that a process which has closed its worker ends at once."""
    device, options = dask.config.get(DEVICE, "cpu"), dask.config.get(OPTIONS, {})
    if multiprocessing.parent_process() is not None:  # else the worker is a thread of somebody's program
        keep_log()
        claim_process()
        atexit.register(_end)
        if dask.config.get(FAILURES_ARE_SAID, default=False):
            logging.getLogger("distributed.worker").addFilter(is_said_by_nobody_else)
    worker.executors["default"].submit(_try_to_warm_up, device, options)


def is_said_by_nobody_else(record: logging.LogRecord) -> bool:
    """Whether a message of a worker is another than of a failed task, lost scheduler or cancelled step."""
    is_cancelled = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not (is_cancelled or record.getMessage().startswith((COMPUTE_FAILED, HEARTBEAT_FAILED)))


def dask_teardown(_worker: Worker) -> None:
    """Note that the worker has been closed."""
    _is_closed.append(True)


def warm_up(device: DeviceName, options: Mapping[str, Any] | None = None) -> None:
    """Import what tiles need, and solve a few pixels: what is compiled for them is compiled then, or loaded.

    A GPU gets its context, too.

    Parameters
    ----------
    device
        What tiles are to be solved on.
    options
        Others of :class:`~fringefleet.options.Options` that tiles are to be solved with.

    Raises
    ------
    DeviceError
        It is not there.
    """
    with without_collection():
        for name in FIRST_USED:
            import_module(name)
        from fringefleet.engine.block import invert_block  # noqa: PLC0415 - a preload is to be light
    import numpy as np  # noqa: PLC0415

    from fringefleet.engine.context import Block, InversionContext  # noqa: PLC0415
    from fringefleet.network.network import Network  # noqa: PLC0415 - a preload is to be light
    from fringefleet.options import Options  # noqa: PLC0415

    wanted = dict(options or {})
    if wanted.pop("dem_error", False):  # for which these pixels are too few
        import_module("fringefleet.engine.torch_block")
    days = ("2018-01-06T00:00:00", "2018-01-18T00:00:00", "2018-01-30T00:00:00")
    network = Network(days, ((0, 1), (1, 2), (0, 2)))
    scene = InversionContext(network, 0, (0.0,) * network.n_pair, wavelength=0.0555, looks=8)
    pixels = np.ones((network.n_pair, 8, 8), np.float32)
    invert_block(Block(pixels, coherence=pixels / 2), scene, Options(device=device, **wanted))


def _try_to_warm_up(device: DeviceName, options: Mapping[str, Any]) -> None:
    try:
        warm_up(device, options)
    except Exception as error:  # the first tile meets it again, and says so
        logger.debug("could not warm up: %s", error)


def _end() -> None:
    """End this process without taking all modules apart, which takes as long as a third of their import."""
    if _is_closed:
        os._exit(0)


_is_closed: list[bool] = []
