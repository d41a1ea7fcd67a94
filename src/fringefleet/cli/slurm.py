"""The command ``slurm``: show what is submitted to Slurm, or keep workers for several runs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fringefleet.arguments.needs import COMMANDS, check_needs
from fringefleet.cli.application import app, examples
from fringefleet.cli.console import err, exit_codes, start_logging
from fringefleet.cli.options import cluster as opt
from fringefleet.cli.options.cluster import choose_cluster
from fringefleet.cli.options.inversion import DeviceOption, Verbose

if TYPE_CHECKING:
    from fringefleet.cluster import ClusterOptions, ConnectedWorkers

_SECONDS_BETWEEN_LOOKS = 1.0

DryRun = Annotated[
    bool,
    typer.Option("--dry-run", metavar="", help="Print the script of a job, submit nothing; needs no Slurm."),
]
SchedulerFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.json",
        help="Write where the scheduler is, for --cluster FILE.json of other commands.",
        show_default=False,
    ),
]


@app.command(
    epilog=examples(
        "fringefleet slurm --dry-run --cluster-config deploy/slurm/gpu.toml --workers 4",
        "fringefleet slurm --interface ib0 --workers 8 --device cuda --scheduler-file scheduler.json",
    )
)
@exit_codes()
def slurm(  # noqa: PLR0913 - a parameter for each option
    dry_run: DryRun = False,
    scheduler_file: SchedulerFile = None,
    device: DeviceOption = None,
    workers: opt.NWorker = None,
    cluster_config: opt.Config = None,
    worker_memory: opt.Memory = None,
    interface: opt.Interface = None,
    share_gpu: opt.ShareGpu = False,
    wait: opt.Wait = None,
    tls: opt.Tls = None,
    dashboard: opt.Dashboard = False,
    verbose: Verbose = False,
) -> None:
    """Keep workers under Slurm until Ctrl-C, for several runs; or only show what would be submitted."""
    start_logging(err(), verbose=verbose)
    given = {
        "cluster": "slurm",
        "device": device,
        "n_worker": workers,
        "memory_limit": worker_memory,
        "interface": interface,
        "share_gpu": share_gpu,
        "wait_seconds": wait,
        "tls": tls,
        "dashboard": dashboard,
    }
    said = {"dry_run": dry_run, "scheduler_file": scheduler_file}
    check_needs(said, {"scheduler_file": None}, COMMANDS["slurm"])
    options = choose_cluster(given, cluster_config)
    if dry_run:
        _show(options)
    else:
        _keep(options, scheduler_file)


def _show(options: "ClusterOptions") -> None:
    from fringefleet.cluster.slurm.script import job_script, plan_jobs  # noqa: PLC0415 - slow to import

    plan = plan_jobs(options, is_submitted=False)
    typer.echo(job_script(plan, tls=options.is_encrypted), nl=False)
    jobs = "1 job" if plan.n_job == 1 else f"{plan.n_job} jobs"
    each = plan.job["processes"]
    total = f", {plan.n_job * each} in all," if plan.n_job > 1 and each > 1 else ""
    err().print(f"{jobs} of {each} worker(s){total} would be submitted.", soft_wrap=True)


def _keep(options: "ClusterOptions", scheduler_file: Path | None) -> None:
    from time import sleep  # noqa: PLC0415

    from fringefleet.cluster import connect  # noqa: PLC0415 - slow to import
    from fringefleet.errors import WorkersLostError  # noqa: PLC0415
    from fringefleet.io.store.output_names import check_output_name  # noqa: PLC0415
    from fringefleet.io.store.place import check_writable  # noqa: PLC0415

    if scheduler_file is not None:
        check_output_name(scheduler_file, "JSON", "scheduler.json")
        check_writable(scheduler_file)
    with connect(options) as workers, _told(workers, scheduler_file) as address:
        typer.echo(address)
        try:
            while workers.client.status == "running":
                sleep(_SECONDS_BETWEEN_LOOKS)
            raise WorkersLostError("the scheduler, or the connection to it, was lost.")
        except KeyboardInterrupt:
            return


@contextmanager
def _told(workers: "ConnectedWorkers", path: Path | None) -> Iterator[str]:
    """Give the scheduler's address, which is also in a file meanwhile, if there is to be one.

    The file names the credentials, too, so that it is enough to join.
    """
    from fringefleet.cluster.security import CREDENTIALS, write_private  # noqa: PLC0415
    from fringefleet.io.store.atomic_files import staged_files  # noqa: PLC0415 - slow to import

    who = workers.client.scheduler_info(n_workers=0)
    if workers.credentials is not None:
        who[CREDENTIALS] = str(workers.credentials)
    if path is None:
        yield who["address"]
        return
    text = json.dumps(who, indent=2) + "\n"
    with staged_files([path]) as (part,):  # who waits for the file finds it whole
        write_private(part, text)
    try:
        yield who["address"]
    finally:
        if path.is_file() and path.read_text() == text:  # else it is another one's by now
            path.unlink()
