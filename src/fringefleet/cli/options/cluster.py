"""Options of the command line that say where workers come from. Light, so that --help is quick."""

from pathlib import Path
from typing import Annotated

import typer

from fringefleet.cli.options.inversion import COMPUTE, default

_WORKERS = "Workers"

Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|ADDRESS|FILE",
        help="local: processes on this machine; local-cuda: one for each of its GPUs; slurm: jobs; or a "
        "running Dask scheduler: its address, such as tcp://host:8786, or its scheduler file."
        + default("local; local-cuda with --device cuda and several GPUs"),
        show_default=False,
        rich_help_panel=COMPUTE,
    ),
]
NWorker = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        help="Local processes, GPUs, or Slurm workers; of a running cluster, how many to wait for; 0: none, "
        "threads of this process compute."
        + default("one for each core or GPU, or 0 for little work; 1 in Slurm"),
        show_default=False,
        rich_help_panel=COMPUTE,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--cluster-config",
        metavar="FILE.toml",
        help="All of this as a table \\[cluster], with \\[cluster.options] for what only Dask knows; options "
        "given here come before it.",
        show_default=False,
        rich_help_panel=_WORKERS,
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--worker-memory",
        metavar="SIZE",
        help="Memory of each worker, such as 8GB." + default("an equal share of this machine; 4GB in Slurm"),
        show_default=False,
        rich_help_panel=_WORKERS,
    ),
]
Interface = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Network interface to listen on, such as ib0." + default("loopback: this machine only"),
        show_default=False,
        rich_help_panel=_WORKERS,
    ),
]
ShareGpu = Annotated[
    bool,
    typer.Option(
        "--share-gpu", metavar="", help="Several workers may have the same GPU.", rich_help_panel=_WORKERS
    ),
]
Wait = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="How long workers that start, or a scheduler, may be silent; in Slurm how long to wait at all."
        + default("5 minutes; 30 s for a running scheduler; in Slurm's queue as long as it takes"),
        show_default=False,
        rich_help_panel=_WORKERS,
    ),
]
Tls = Annotated[
    bool | None,
    typer.Option(
        "--tls/--no-tls",
        metavar="",
        help="Encrypt and authenticate, with certificates made for this run. Without, whoever can reach the "
        "workers can run code as you." + default("--tls for all that is started here"),
        show_default=False,
        rich_help_panel=_WORKERS,
    ),
]
TlsCa = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Certificate of the authority, for a running cluster with TLS.",
        show_default=False,
        rich_help_panel=_WORKERS,
    ),
]
TlsCert = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Our certificate.", show_default=False, rich_help_panel=_WORKERS),
]
TlsKey = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Its key, unless it is in the same file.",
        show_default=False,
        rich_help_panel=_WORKERS,
    ),
]
TlsCredentials = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="All three in one file, as whoever started the cluster has been told its name.",
        show_default=False,
        rich_help_panel=_WORKERS,
    ),
]
Dashboard = Annotated[
    bool,
    typer.Option(
        "--dashboard",
        metavar="",
        help="Serve Dask's dashboard on the loopback. It knows no password: every user of this machine can "
        "read it.",
        rich_help_panel=_WORKERS,
    ),
]
