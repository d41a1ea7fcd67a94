"""The command ``invert``, and its parameters, which ``plan`` has, too."""

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fringefleet.cli.application import command
from fringefleet.cli.config import with_config
from fringefleet.cli.console import echo, logger, notes
from fringefleet.cli.parameters import Common, existing_of, parameters
from fringefleet.cli.progress import show_stages
from fringefleet.cli.tables import print_status, worst_pairs_table
from fringefleet.cluster.options import ClusterOptions
from fringefleet.execution.job import FailurePolicy, Run
from fringefleet.execution.selection import Selection
from fringefleet.execution.setting import Setting
from fringefleet.importing import without_collection
from fringefleet.options import Options

if TYPE_CHECKING:
    from fringefleet.cluster.connection import Early

STACK, OUTPUT, CHUNKS, *_OF_STACK = parameters(
    Run, "stack", "output", "chunks", "reader", "drop_incomplete", "accept_touched"
)
OF_INVERT = (
    *parameters(Options),
    *parameters(Common, "template", "config"),
    *parameters(Setting),
    *parameters(Selection),
    *_OF_STACK,
    *parameters(Common, "cluster_config"),
    *parameters(ClusterOptions),
    CHUNKS,
    *parameters(Common, "resume", "overwrite"),
    *parameters(FailurePolicy),
    *parameters(Common, "performance_report"),
)


@command(
    STACK,
    OUTPUT,
    *OF_INVERT,
    examples=(
        "fringefleet invert inputs/ifgramStack.h5 result.zarr -t smallbaselineApp.cfg",
        "fringefleet invert stack.zarr result.zarr --mask-dataset coherence --mask-threshold 0.5",
        "fringefleet invert stack.zarr result.zarr --norm huber --std --diagnose",
        "fringefleet invert stack.zarr result.zarr --dem-error --geometry inputs/geometryRadar.h5",
        "fringefleet invert offsets.h5 result.zarr --dataset range_offset --mask-dataset offset_snr "
        "--mask-threshold 5",
        "fringefleet invert stack.zarr result.zarr --velocity --periodic 1 0.5 --uncertainty covariance",
        "fringefleet invert stack.zarr part.zarr --bbox -99.3 19.2 -99.0 19.5 --start-date 20180101",
        "fringefleet invert stack.zarr result.zarr --exclude-dates 20180106 20180307 --min-coherence 0.3",
        "fringefleet invert stack.zarr result.zarr --reference auto",
        "fringefleet invert stack.zarr result.zarr --resume",
        "fringefleet invert stack.zarr result.zarr --workers 0",
        "fringefleet invert stack.zarr result.zarr --device cuda",
        "fringefleet invert stack.zarr result.zarr --device cuda --cluster tls://10.0.0.1:8786 "
        "--tls-credentials credentials.pem",
        "fringefleet invert stack.zarr result.zarr --device cuda --cluster-config gpus.toml",
        "fringefleet invert stack.zarr result.zarr --config run.toml",
    ),
)
def invert_command(parameters: Any) -> None:
    """Invert a stack of interferograms into a displacement time series."""
    invert(with_config(vars(parameters)))


def invert(given: Mapping[str, Any]) -> None:
    """Invert with the options of the command by the names of their fields."""
    with without_collection():
        from fringefleet.cli.early import workers_begun
    with workers_begun(given) as (wanted, early):
        job, workers = job_of(given, wanted)
        run_job(job, workers, given["performance_report"], early)


def job_of(given: Mapping[str, Any], chosen: ClusterOptions | None = None) -> tuple[Run, ClusterOptions]:
    """Make a run, and the workers that it wants, of the options of ``invert``, by the names of their fields.

    ``chosen``: the workers, where they have been understood already.
    """
    with without_collection():
        from fringefleet.arguments.together import together
        from fringefleet.cli.early import workers_of
        from fringefleet.execution.compose import part_of

    existing = existing_of(resume=given["resume"], overwrite=given["overwrite"])
    (options, setting), on_failure, selection, workers = together(
        lambda: choose_options(part_of(given, Options, Setting), given["template"]),
        lambda: FailurePolicy(**_said(part_of(given, FailurePolicy))),
        lambda: Selection(**part_of(given, Selection)),
        lambda: chosen or workers_of(given),
    )
    of_run = {item.name: given[item.name] for item in (STACK, OUTPUT, CHUNKS, *_OF_STACK)}
    parts = {"options": options, "setting": setting, "selection": selection, "on_failure": on_failure}
    return Run(**of_run, **parts, existing=existing), workers


def _said(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def choose_options(given: Mapping[str, Any], template: Path | None) -> tuple[Options, Setting]:
    """Compose the options of ``invert``, and say which keys of MintPy's template it does not use."""
    from fringefleet.execution.compose import compose_options
    from fringefleet.mintpy.template import read_template

    if template is None:
        return compose_options(given)
    read = read_template(template)
    used = {field.name for field in (*fields(Options), *fields(Setting))}
    unused = [*read.unused, *(key for name, key in read.keys.items() if name not in used)]
    if unused:
        logger.info("%s: not used by the inversion: %s", template, ", ".join(unused))
    return compose_options(given, vars(read), read.keys)


def run_job(
    job: Run, workers: ClusterOptions, performance_report: Path | None, early: "Early | None"
) -> None:
    """Run one inversion in a session, whose workers may be on their way, and print what came out."""
    with without_collection():
        from fringefleet.io.describe import MOST_PAIRS
        from fringefleet.io.store.open_result import open_result
        from fringefleet.io.store.pair_table import worst_pairs
        from fringefleet.session import prepare_session, run_session, write_session_file
        from fringefleet.session.watching import check_performance_report

    check_performance_report(performance_report, workers)
    session = prepare_session(job, workers, is_asked_for=performance_report is not None)
    console = notes()
    with show_stages(console) as show:
        summary = run_session(
            session,
            partial(show, "Inverting"),
            performance_report=performance_report,
            early=early,
            on_begin=partial(write_session_file, job, workers),
        )
    print_status(summary.status_count, job.options.min_redundancy, console)
    if worst := worst_pairs(open_result(summary.output), MOST_PAIRS):
        console.print(worst_pairs_table(worst))
    echo(summary.output)
