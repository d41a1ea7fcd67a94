"""The command ``invert``: choose the options, check everything, get workers, run, say what came out."""

import logging
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from fringefleet.arguments.together import together
from fringefleet.cli.console import echo
from fringefleet.cli.early import by_our_names, wanted_of_workers
from fringefleet.cli.tables import pair_table, print_status
from fringefleet.cli.watching import progress_shown
from fringefleet.cluster import ClusterOptions, Early
from fringefleet.errors import OptionError
from fringefleet.execution.compose import compose_options, part_of
from fringefleet.execution.job import Existing, Run
from fringefleet.execution.prepare import Setting
from fringefleet.execution.retry import FailurePolicy
from fringefleet.io.describe import MOST_PAIRS
from fringefleet.io.store.open_result import open_result
from fringefleet.io.store.pair_table import worst_pairs
from fringefleet.mintpy.template import read_template
from fringefleet.options import Options
from fringefleet.session import prepare_session, run_session
from fringefleet.session.cluster_wish import choose_cluster
from fringefleet.session.watching import check_performance_report

logger = logging.getLogger(__name__)


def understand(given: Mapping[str, Any], chosen: ClusterOptions | None = None) -> tuple[Run, ClusterOptions]:
    """Make a run, and the workers that it wants, of the options of ``invert``.

    Parameters
    ----------
    given
        All options of the command, by the names that they have there.
    chosen
        The workers, where they have been understood already.

    Raises
    ------
    InputError
        One of its children: something cannot be used.
    """
    if given["resume"] and given["overwrite"]:
        raise OptionError("found both --resume and --overwrite; give one of them.")
    named = by_our_names(given)
    (options, setting), policy, workers = together(
        lambda: choose_options(part_of(named, Options, Setting), given["template"]),
        lambda: FailurePolicy(given["on_error"], given["retries"]),
        lambda: chosen or choose_cluster(wanted_of_workers(given), given["cluster_config"]),
    )
    existing: Existing = "refuse"
    if given["resume"] or given["overwrite"]:
        existing = "resume" if given["resume"] else "overwrite"
    how = {
        "on_failure": policy,
        "reader": given["reader"],
        "drop_incomplete": given["drop_incomplete"],
        "accept_touched": given["accept_touched"],
    }
    job = Run(given["stack"], given["output"], options, setting, given["chunks"], existing, **how)
    return job, workers


def choose_options(given: Mapping[str, Any], template: Path | None) -> tuple[Options, Setting]:
    """Compose the options of ``invert``, and say which keys of the template it does not use.

    Parameters
    ----------
    given
        Options and settings by name; None where nothing was given.
    template
        MintPy's ``smallbaselineApp.cfg``, if any.
    """
    if template is None:
        return compose_options(given)
    read = read_template(template)
    used = {field.name for field in (*fields(Options), *fields(Setting))}
    unused = [*read.unused, *(key for name, key in read.keys.items() if name not in used)]
    if unused:
        logger.info("%s: not used by the inversion: %s", template, ", ".join(unused))
    return compose_options(given, vars(read), read.keys)


def invert(
    job: Run,
    workers: ClusterOptions,
    console: Console,
    performance_report: Path | None = None,
    early: Early | None = None,
) -> None:
    """Run one inversion in a session, whose workers may be on their way, and print what came out."""
    check_performance_report(performance_report, workers)
    is_asked_for = workers.is_asked_for or performance_report is not None
    session = prepare_session(job, workers, is_asked_for=is_asked_for)
    with progress_shown(console) as show:
        summary = run_session(
            session, partial(show, "Inverting"), performance_report=performance_report, early=early
        )
    print_status(summary.status_count, job.options.min_redundancy, console)
    if worst := worst_pairs(open_result(summary.output), MOST_PAIRS):
        console.print(pair_table(worst))
    echo(summary.output)
