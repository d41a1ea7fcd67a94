"""Invert one scene with dask-jobqueue's SLURMRunner: sbatch runner.sbatch runner.py STACK OUT.zarr.

Submit it again after an interruption: it goes on where it stopped. All processes find the certificate that
runner.sbatch makes in Dask's configuration, and talk to nobody without it.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from dask_jobqueue.slurm import SLURMRunner
from distributed import Client, Security
from distributed.core import rpc

import fringefleet

FOLDER, INTERFACE, DEVICE = (os.environ[name] for name in ("FOLDER", "INTERFACE", "DEVICE"))
VISIBLE = "CUDA_VISIBLE_DEVICES"


class Runner(SLURMRunner):
    """SLURMRunner, which forgets the certificate when it tells the scheduler to end."""

    async def before_client_start(self) -> None:
        """Connect with it."""
        arguments = Security().get_connection_args("client")
        self.scheduler_comm = rpc(self.scheduler_address, connection_args=arguments)


def own_gpu(environment: Mapping[str, str]) -> str | None:
    """Find the GPU of this task among those of its node; None if it is no worker.

    The tasks are dealt out to the nodes one by one: 0, the scheduler, is on the first node, and 1, the
    client, on the second if there is one.
    """
    node, n_node, local, task = (
        int(environment[f"SLURM_{name}"]) for name in ("NODEID", "NNODES", "LOCALID", "PROCID")
    )
    if task < 2:
        return None
    n_before = (node == 0) + (node == 1 % n_node)
    return environment[VISIBLE].split(",")[local - n_before]


def main(stack: str, output: str) -> None:
    """Become scheduler, client or worker; the client inverts, and says what came out."""
    gpu = own_gpu(os.environ) if VISIBLE in os.environ or DEVICE == "cuda" else None
    if gpu is not None:
        os.environ[VISIBLE] = gpu  # before anything asks CUDA
    # http_off stops Dask's HTTP servers, which know no password.
    local = {
        "dashboard_address": "127.0.0.1:0",
        "interface": INTERFACE,
        "preload": ["fringefleet.processes.http_off"],
    }
    folder = FOLDER.replace("{", "{{").replace("}", "}}")  # SLURMRunner fills in {job_id}
    runner = Runner(
        scheduler_file=f"{folder}/scheduler.json",
        scheduler_options=local | {"protocol": "tls", "dashboard": False},
        worker_class="distributed.Nanny",
        worker_options=local | {"nthreads": 1, "memory_limit": os.environ["WORKER_MEMORY"]},
    )
    # Only the client comes here.
    with runner, Client(runner), fringefleet.connect("current", runner.n_workers, device=DEVICE) as workers:
        job = fringefleet.Run(
            stack=Path(stack),
            output=Path(output),
            options=fringefleet.Options(device=DEVICE),
            existing="resume",
            n_worker=workers.n_worker,
        )
        summary = fringefleet.run(job)
    print(f"{summary.output}: {summary.n_tile} tiles, {summary.n_resumed} of them done before")


if __name__ == "__main__":  # worker processes import this file
    main(*sys.argv[1:])
