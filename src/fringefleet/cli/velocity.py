"""The command ``velocity``: fit functions of time to the series of a result."""

from contextlib import nullcontext
from functools import partial
from typing import Any

from fringefleet.cli.application import command
from fringefleet.cli.console import echo, logger, notes
from fringefleet.cli.parameters import Common, parameters
from fringefleet.cli.progress import show_stages, with_prefix
from fringefleet.cli.tables import print_plan
from fringefleet.cluster.options import ClusterOptions
from fringefleet.execution.velocity_job import FitOptions, VelocityRun
from fringefleet.solver.time_functions import TimeFunctions


@command(
    *parameters(VelocityRun, "result", "output"),
    *parameters(TimeFunctions),
    *parameters(FitOptions),
    *parameters(Common, "cluster_config"),
    *parameters(ClusterOptions),
    *parameters(Common, "overwrite", "dry_run"),
    examples=(
        "fringefleet velocity result.zarr velocity.zarr",
        "fringefleet velocity result.zarr velocity.zarr --periodic 1 0.5 --step 20170910",
        "fringefleet velocity result.zarr velocity.zarr --exponential 20170910 60 120 --start-date 20160101",
        "fringefleet velocity result.zarr velocity.zarr --uncertainty covariance",
        "fringefleet velocity result.zarr velocity.zarr --workers 8",
        "fringefleet velocity result.zarr velocity.zarr --dry-run",
    ),
)
def velocity_command(given: Any) -> None:
    """Fit velocity, periodic motion, steps and decay to the time series of a result."""
    from fringefleet.arguments.together import together
    from fringefleet.cluster import connect
    from fringefleet.execution.compose import part_of
    from fringefleet.processes.cores import own_cores
    from fringefleet.session.cluster_wish import choose_cluster
    from fringefleet.velocity_maps import check_velocity, plan_velocity, run_velocity

    said = {name: value for name, value in vars(given).items() if value is not None}
    functions, options, workers = together(
        lambda: TimeFunctions(**part_of(said, TimeFunctions)),
        lambda: FitOptions(**part_of(said, FitOptions)),
        lambda: choose_cluster(part_of(vars(given), ClusterOptions), given.cluster_config),
    )
    job = VelocityRun(given.result, given.output, functions, options, given.overwrite)
    in_threads = workers.n_worker == 0 or not workers.is_asked_for
    if given.dry_run:
        found = plan_velocity(job, 0 if in_threads else workers.n_worker or own_cores().number)
        facts = (
            ("Tiles", f"{found.n_tile}"),
            ("Maps", f"{found.n_map}"),
            ("Read", with_prefix(found.bytes_read, "B")),
        )
        whose = "for this process" if in_threads else "for each worker"
        print_plan(facts, found.bytes_written, found.memory_needed, whose)
        return
    check_velocity(job)
    with nullcontext() if in_threads else connect(workers), show_stages(notes()) as show:
        summary = run_velocity(job, partial(show, "Fitting"), client=None if in_threads else "current")
    logger.info("%s pixels have a velocity", f"{summary.n_fitted:,}")
    echo(summary.output)
