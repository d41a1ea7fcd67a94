"""Dask workers of one job, each with one of its GPUs; without dask-cuda.

Takes the options of ``dask worker``: ``python -m fringefleet.cluster.slurm.gpu_worker SCHEDULER --nworkers
4 --name slurm-0 ...``. GPUs are assigned before any worker imports CUDA.
"""

import argparse
import os
import sys

from distributed import Nanny
from distributed.cli.dask_worker import main

from fringefleet.cluster.options import VISIBLE


def dask_setup(nanny: Nanny) -> None:
    """Assign a GPU to the worker of a nanny, by the number at the end of its name."""
    gpus = _names(os.environ.get(VISIBLE))
    number = int(str(nanny.name).rpartition("-")[2]) if len(gpus) > 1 else 0
    nanny.env[VISIBLE] = gpus[number]


def _names(visible: str | None) -> list[str]:
    return [name.strip() for name in (visible or "").split(",") if name.strip()]


def check_gpus(visible: str | None, n_worker: int) -> None:
    """End the process unless there are as many GPUs as workers."""
    n_gpu = len(_names(visible))
    if n_gpu != n_worker:
        raise SystemExit(
            f"found {n_gpu} GPUs ({VISIBLE}={visible}) for {n_worker} workers in this job; let it ask "
            f"for --gres=gpu:{n_worker}."
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--nworkers", type=int, default=1)
    check_gpus(os.environ.get(VISIBLE), parser.parse_known_args()[0].nworkers)
    main([*sys.argv[1:], "--preload-nanny", "fringefleet.cluster.slurm.gpu_worker"])
