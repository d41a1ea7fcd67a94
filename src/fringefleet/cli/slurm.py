"""The command ``slurm``: show what is submitted to Slurm, or keep workers for several runs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fringefleet.arguments.declaration import Declared
from fringefleet.arguments.needs import COMMANDS, check_needs
from fringefleet.cli.application import command
from fringefleet.cli.console import notes
from fringefleet.cli.parameters import Common, parameters
from fringefleet.cluster.options import ClusterOptions
from fringefleet.options import Options

if TYPE_CHECKING:
    from fringefleet.processes.connected import ConnectedWorkers

_SECONDS_BETWEEN_CHECKS = 1.0
_USUAL = ("worker_memory", "interface")  # here, where other commands seldom need them
_OF_WORKERS = ("n_worker", "worker_memory", "interface", "share_gpu", "wait_seconds", "tls", "dashboard")


@dataclass(frozen=True)
class SlurmOptions:
    """Parameters of the command besides those of workers."""

    dry_run: Annotated[
        bool, Declared("Print the script of a job and submit nothing; works without Slurm.")
    ] = False
    scheduler_file: Annotated[
        Path | None,
        Declared(
            "File to write the address of the scheduler to, for --cluster FILE.json of other commands.",
            metavar="FILE.json",
        ),
    ] = None


@command(
    *parameters(SlurmOptions),
    *parameters(Options, "device"),
    *(item.respelled(is_rare=False) for item in parameters(Common, "cluster_config")),
    *(
        item.respelled(is_rare=item.declared.is_rare and item.name not in _USUAL)
        for item in parameters(ClusterOptions, *_OF_WORKERS)
    ),
    examples=(
        "fringefleet slurm --dry-run --cluster-config deploy/slurm/gpu.toml --workers 4",
        "fringefleet slurm --interface ib0 --workers 8 --device cuda --scheduler-file scheduler.json",
    ),
)
def slurm(given: Any) -> None:
    """Keep workers under Slurm until Ctrl-C, for several runs; or show what would be submitted."""
    said = {"dry_run": given.dry_run, "scheduler_file": given.scheduler_file}
    check_needs(said, {"scheduler_file": None}, COMMANDS["slurm"])
    from fringefleet.session.cluster_wish import choose_cluster

    wanted = {name: getattr(given, name) for name in (*_OF_WORKERS, "device")} | {"cluster": "slurm"}
    options = choose_cluster(wanted, given.cluster_config)
    if given.dry_run:
        _show(options)
    else:
        _keep(options, given.scheduler_file)


def _show(options: ClusterOptions) -> None:
    from fringefleet.cluster.slurm.script import job_script, plan_jobs

    plan = plan_jobs(options, is_submitted=False)
    typer.echo(job_script(plan, tls=options.is_encrypted), nl=False)
    jobs = "1 job" if plan.n_job == 1 else f"{plan.n_job} jobs"
    said = f"{jobs} of {plan.job['processes']} worker(s) would be submitted, for --device {options.device}."
    notes().print(said, soft_wrap=True)


def _keep(options: ClusterOptions, scheduler_file: Path | None) -> None:
    from time import sleep

    from fringefleet.cluster import connect
    from fringefleet.errors import WorkersLostError
    from fringefleet.io.store.output_names import check_output_name
    from fringefleet.io.store.place import check_writable

    if scheduler_file is not None:
        check_output_name(scheduler_file, "JSON", "scheduler.json")
        check_writable(scheduler_file)
    with (
        connect(options) as workers,
        _address_in_file(workers, scheduler_file) as address,
        suppress(KeyboardInterrupt),
    ):
        typer.echo(address)
        while workers.client.status == "running":
            sleep(_SECONDS_BETWEEN_CHECKS)
        raise WorkersLostError("the scheduler, or the connection to it, was lost.")


@contextmanager
def _address_in_file(workers: "ConnectedWorkers", path: Path | None) -> Iterator[str]:
    """Give the scheduler's address; meanwhile the file, if any, has it and the path of the credentials."""
    from fringefleet.cluster.security import CREDENTIALS, write_private
    from fringefleet.io.store.atomic_files import staged_files

    found = workers.client.scheduler_info(n_workers=0)
    if workers.credentials is not None:
        found[CREDENTIALS] = str(workers.credentials)
    if path is None:
        yield found["address"]
        return
    text = json.dumps(found, indent=2) + "\n"
    with staged_files([path]) as (part,):  # who waits for the file finds it whole
        write_private(part, text)
    try:
        yield found["address"]
    finally:
        if path.is_file() and path.read_text() == text:  # else it is another one's by now
            path.unlink()
