"""One worker process for each GPU of a job, which sees that one only; without dask-cuda.

It is run in the job by dask-jobqueue, with the options that dask-jobqueue gives any worker:
``python -m fringefleet.cluster.slurm_worker SCHEDULER --nworkers 4 --name slurm-0 ...``. What Slurm lets the
job see (``CUDA_VISIBLE_DEVICES``) is dealt out before any process imports CUDA.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from distributed import Nanny, Security

VISIBLE = "CUDA_VISIBLE_DEVICES"
SECONDS_TO_CLOSE = 4.0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="fringefleet.cluster.slurm_worker", description=__doc__)
    parser.add_argument("scheduler")
    parser.add_argument("--name", required=True)
    parser.add_argument("--nworkers", type=int, required=True)
    parser.add_argument("--nthreads", type=int, default=1)
    parser.add_argument("--memory-limit", default="auto")
    parser.add_argument("--dashboard-address", default="127.0.0.1:0")
    parser.add_argument("--death-timeout", type=float)
    for name in ("local-directory", "interface", "protocol", "lifetime", "lifetime-stagger"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--preload", action="append")
    for name in ("tls-ca-file", "tls-cert", "tls-key"):
        parser.add_argument(f"--{name}")
    return parser.parse_args(arguments)


def deal_gpus(visible: str | None, n_worker: int) -> list[str]:
    """Give each worker one of the visible GPUs.

    Raises
    ------
    SystemExit
        There are more or fewer of them than workers: the job asked for something else than it needs.

    Examples
    --------
    >>> deal_gpus("2,3", 2)
    ['2', '3']
    """
    gpus = [name.strip() for name in (visible or "").split(",") if name.strip()]
    if len(gpus) != n_worker:
        raise SystemExit(
            f"found {len(gpus)} GPUs ({VISIBLE}={visible}) for {n_worker} workers in this job; let it ask "
            f"for --gres=gpu:{n_worker}."
        )
    return gpus


async def work(options: argparse.Namespace) -> None:
    """Start a nanny for each GPU, and end when all of them do, or when the job is told to."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gpus = deal_gpus(os.environ.get(VISIBLE), options.nworkers)
    nannies = [_nanny(options, f"{options.name}-{i}", gpu) for i, gpu in enumerate(gpus)]
    await asyncio.gather(*nannies)
    ended = asyncio.gather(*(nanny.finished() for nanny in nannies))
    told = asyncio.create_task(stop.wait())
    waiting: list[asyncio.Future[Any]] = [ended, told]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    closing = (nanny.close(timeout=SECONDS_TO_CLOSE, reason="job-end") for nanny in nannies)
    await asyncio.gather(*closing, return_exceptions=True)


def _nanny(options: argparse.Namespace, name: str, gpu: str) -> Nanny:
    given = {
        "death_timeout": options.death_timeout,
        "local_directory": options.local_directory,
        "interface": options.interface,
        "protocol": options.protocol,
        "lifetime": options.lifetime,
        "lifetime_stagger": options.lifetime_stagger,
        "preload": options.preload,
        "security": _security(options),
    }
    return Nanny(
        options.scheduler,
        name=name,
        nthreads=options.nthreads,
        memory_limit=options.memory_limit,
        dashboard_address=options.dashboard_address,
        env={VISIBLE: gpu},  # in place before the process of the worker starts
        **{key: value for key, value in given.items() if value is not None},
    )


def _security(options: argparse.Namespace) -> Security | None:
    if options.tls_ca_file is None:
        return None
    return Security(
        require_encryption=True,
        tls_ca_file=options.tls_ca_file,
        tls_worker_cert=options.tls_cert,
        tls_worker_key=options.tls_key,
    )


if __name__ == "__main__":
    asyncio.run(work(parse(sys.argv[1:])))
