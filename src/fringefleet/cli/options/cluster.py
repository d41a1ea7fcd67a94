"""Options of the command line for workers. Light, so that --help is quick."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fringefleet.arguments.declaration import Declared, Panel


@dataclass(frozen=True)
class WorkerOptions:
    """Fields of a ``ClusterOptions`` that have an option, and a file with all of them."""

    cluster: Annotated[
        str | None,
        Declared(
            "local: processes on this machine; local-cuda: one per GPU of this machine; slurm: Slurm jobs; "
            "or a running Dask scheduler, by its address, such as tcp://host:8786, or its scheduler file.",
            Panel.COMPUTE,
            metavar="NAME|ADDRESS|FILE",
            default="local; local-cuda with --device cuda and several GPUs",
        ),
    ] = None
    n_worker: Annotated[
        int | None,
        Declared(
            "Number of local processes, GPUs or Slurm workers; of a running cluster, how many to wait for; "
            "0: compute in threads of this process.",
            Panel.COMPUTE,
            metavar="N",
            default="one per core or GPU, or 0 for little work; 1 in Slurm",
            flags=("--workers",),
        ),
    ] = None
    cluster_config: Annotated[
        Path | None,
        Declared(
            "TOML file with all of this in a table [cluster], with [cluster.options] for what only Dask "
            "knows; options given here take precedence.",
            Panel.WORKERS,
            metavar="FILE.toml",
        ),
    ] = None
    worker_memory: Annotated[
        str | None,
        Declared(
            "Memory of each worker, such as 8GB.",
            Panel.WORKERS,
            metavar="SIZE",
            default="an equal share of this machine; 4GB in Slurm",
            flags=("--worker-memory",),
        ),
    ] = None
    interface: Annotated[
        str | None,
        Declared(
            "Network interface to listen on, such as ib0.",
            Panel.WORKERS,
            metavar="NAME",
            default="loopback: this machine only",
        ),
    ] = None
    share_gpu: Annotated[bool, Declared("Allow several workers to use the same GPU.", Panel.WORKERS)] = False
    wait_seconds: Annotated[
        float | None,
        Declared(
            "How long starting workers, or a scheduler, may be silent; in Slurm, how long to wait for "
            "workers.",
            Panel.WORKERS,
            metavar="SECONDS",
            default="5 minutes; 30 s for a running scheduler; no limit in Slurm's queue",
            flags=("--wait",),
        ),
    ] = None
    tls: Annotated[
        bool | None,
        Declared(
            "Encrypt and authenticate, with certificates made for this run. Without it, anyone who can reach "
            "the workers can run code as you.",
            Panel.WORKERS,
            default="--tls for everything that is started here",
        ),
    ] = None
    tls_ca: Annotated[
        Path | None,
        Declared(
            "Certificate of the authority, for a running cluster with TLS.", Panel.WORKERS, metavar="FILE"
        ),
    ] = None
    tls_cert: Annotated[Path | None, Declared("Our certificate.", Panel.WORKERS, metavar="FILE")] = None
    tls_key: Annotated[
        Path | None, Declared("Key of our certificate, if in another file.", Panel.WORKERS, metavar="FILE")
    ] = None
    tls_credentials: Annotated[
        Path | None,
        Declared(
            "All three in one file, whose name was reported when the cluster was started.",
            Panel.WORKERS,
            metavar="FILE",
        ),
    ] = None
    dashboard: Annotated[
        bool,
        Declared(
            "Serve Dask's dashboard on the loopback. It has no password: every user of this machine can read "
            "it.",
            Panel.WORKERS,
        ),
    ] = False
