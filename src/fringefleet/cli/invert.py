"""The command ``invert``: choose the options, check everything, get workers, run, say what came out."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from fringefleet.arguments.declaration import needs_of
from fringefleet.arguments.needs import defaults_of, without_effect
from fringefleet.choices import Existing
from fringefleet.cli.console import echo, fail
from fringefleet.cli.early import wanted_of_workers
from fringefleet.cli.ending import FAILED
from fringefleet.cli.here import why_here, without_needless_workers
from fringefleet.cli.options.cluster import choose_cluster
from fringefleet.cli.progress import show_progress
from fringefleet.cli.tables import pair_table, redundancy_note, status_table
from fringefleet.cli.together import together
from fringefleet.cli.watching import check_performance_report, showing, watched
from fringefleet.cli.words import in_words_of_the_command
from fringefleet.cluster import (
    ClusterOptions,
    Early,
    connect,
    expected_gpu_memory,
    expected_memory,
    expected_threads,
    expected_workers,
    own_memory,
    resolve,
)
from fringefleet.errors import IdleOptionError, OptionError
from fringefleet.execution.check import Checked, check
from fringefleet.execution.effort import predicted_work
from fringefleet.execution.job import FailurePolicy, Run, Summary
from fringefleet.execution.scheduler import name_some
from fringefleet.execution.setting import Setting, check_setting
from fringefleet.execution.tile import Tile
from fringefleet.io.describe import MOST_PAIRS
from fringefleet.io.mintpy.names import our_name
from fringefleet.io.store.lock import locked
from fringefleet.io.store.open_result import open_result
from fringefleet.io.store.pair_table import worst_pairs
from fringefleet.io.store.result import holds_run
from fringefleet.mintpy.template import TemplateOptions, read_template
from fringefleet.options import Options
from fringefleet.pipeline import compute, finish, no_answer
from fringefleet.processes.gpus import check_here
from fringefleet.processes.worker_logging import tiles_named
from fringefleet.status import Status

logger = logging.getLogger(__name__)

_NEEDS = (*needs_of(Options), *needs_of(Setting))


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
    (options, setting), policy, workers = together(
        lambda: choose_options(_part(given, Options, Setting), given["template"]),
        lambda: FailurePolicy(**_said(_part(given, FailurePolicy))),
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


def _part(named: Mapping[str, Any], *kinds: Any) -> dict[str, Any]:
    """Take what has the name of a field of these classes."""
    names = {field.name for kind in kinds for field in fields(kind)}
    return {name: value for name, value in named.items() if name in names}


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    """Take what was given."""
    return {name: value for name, value in values.items() if value is not None}


_MEASURED_BY = {"mask_threshold": ("mask_dataset",)}  # what a value may be depends on another option


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
        return compose_options(given, TemplateOptions())
    read = read_template(template)
    used = {field.name for field in (*fields(Options), *fields(Setting))}
    unused = [*read.unused, *(key for name, key in read.keys.items() if name not in used)]
    if unused:
        logger.info("%s: not used by the inversion: %s", template, ", ".join(unused))
    return compose_options(given, read)


def idle_keys(given: Mapping[str, Any], template: TemplateOptions) -> dict[str, Any]:
    """Find what a template says that has no effect with what was given, by name.

    MintPy's own templates have a threshold of a mask, and no mask.

    Parameters
    ----------
    given, template
        As for :func:`compose_options`.
    """
    said = _merge(given, template)
    defaults = defaults_of(Options) | defaults_of(Setting)
    of_template = {
        name: value for name, value in defaults.items() if name in said and given.get(name) is None
    }
    return {need.option: said[need.option] for need in without_effect(defaults | said, of_template, _NEEDS)}


def compose_options(given: Mapping[str, Any], template: TemplateOptions) -> tuple[Options, Setting]:
    """Compose the options: what was given beats the template, and the template beats the defaults.

    Parameters
    ----------
    given
        Options and settings by name; None where nothing was given.
    template
        What a template says; what is no option and no setting is for somebody else.
    """
    said = _merge(given, template)
    if idle := idle_keys(given, template):
        named = ", ".join(f"{template.keys.get(name, name)} = {value}" for name, value in idle.items())
        logger.info("without effect here, so not used: %s", named)
    said = {name: value for name, value in said.items() if name not in idle}
    ours, theirs = _part(said, Options), _part(said, Setting)
    options, setting = together(partial(_make, Options, ours), partial(_make, Setting, theirs))
    check_setting(setting, options)
    return options, setting


def _make(kind: Any, said: Mapping[str, Any]) -> Any:
    """Make options, or say of all values that cannot be what they can; not of the first one only."""
    parts = (
        {other: said[other] for other in (name, *_MEASURED_BY.get(name, ())) if other in said}
        for name in said
    )
    together(*(partial(_look_at, kind, part) for part in parts))
    return kind(**said)


def _look_at(kind: Any, part: Mapping[str, Any]) -> None:
    with suppress(IdleOptionError):
        kind(**part)


def _merge(given: Mapping[str, Any], template: TemplateOptions) -> dict[str, Any]:
    """Take what is an option or a setting and was said, by our words."""
    names = {field.name for field in (*fields(Options), *fields(Setting))}
    said = {name: value for name, value in vars(template).items() if name in names}
    said |= {name: value for name, value in given.items() if value is not None}
    said = {name: value for name, value in said.items() if value is not None}
    for name in ("observation", "mask_dataset"):
        if name in said:
            said[name] = our_name(said[name])
    if said.get("mask_dataset") == "none":
        said["mask_dataset"] = None
    if str(said.get("water_mask")) in ("no", "none"):
        said["water_mask"] = None
    return said


def invert(
    job: Run,
    workers: ClusterOptions,
    console: Console,
    performance_report: Path | None = None,
    early: Early | None = None,
) -> None:
    """Run one inversion on workers that are started for it, or on a cluster that is running.

    Those that may be on their way, ``early``, are used if they fit. What is little work, and nobody has asked
    workers for, is done in this process.
    """
    check_performance_report(performance_report, workers)
    is_asked_for = workers.is_asked_for or performance_report is not None
    job, workers = fit_to_workers(job, workers)
    if workers.kind in ("local", "local-cuda"):
        check_here(job.options)
    checked, workers = without_needless_workers(check(job), workers, is_asked_for=is_asked_for)
    run_checked(
        checked,
        workers,
        console,
        "repeat the command with --resume",
        performance_report,
        early,
    )
    echo(job.output)


def fit_to_workers(job: Run, workers: ClusterOptions) -> tuple[Run, ClusterOptions]:
    """Choose the workers where nothing was said, and tell the run how many they are and what they have."""
    workers = resolve(replace(workers, device=job.options.device))
    n_worker = expected_workers(workers)
    each = own_memory(workers)
    # Tiles of a given size are not made to fit: they do, or are refused.
    all_together = expected_memory(workers, 1) if each is None and job.chunks is None else None
    n_thread, n_core = expected_threads(workers, n_worker)
    job = replace(
        job,
        stack=job.stack.absolute(),
        output=job.output.absolute(),
        n_worker=max(1, n_worker),
        total_memory=all_together,
        worker_memory=each,
        n_thread=n_thread,
        n_core=n_core,
        gpu_memory=expected_gpu_memory(workers),
    )
    return job, workers


def run_checked(
    checked: Checked,
    workers: ClusterOptions,
    console: Console,
    again: str,
    performance_report: Path | None = None,
    early: Early | None = None,
) -> tuple[Tile, ...]:
    """Do what is left of a run, and say what came out.

    Parameters
    ----------
    checked
        A run that was found good; it says how many workers there may be.
    workers
        Where they are.
    console
        Shows progress and what came out.
    again
        What a user has to do to go on with a run, or to try tiles again: a part of a sentence.
    performance_report
        File to write what Dask saw, if it is wanted.
    early
        Workers that may be on their way.

    Returns
    -------
    tuple of Tile
        Those that were skipped.
    """
    skipped: tuple[Tile, ...] = ()
    if checked.n_left == 0:
        finish(checked)
        logger.info("all %d tiles were done before; nothing was left to do", checked.n_tile)
    else:
        try:
            if workers.n_worker == 0:
                if early is not None:
                    early.give_up()
                summary = _compute_here(workers, checked, console)
            else:
                summary = _compute_with(workers, checked, console, performance_report, early)
        except KeyboardInterrupt:
            kept = f"Finished tiles are kept in {checked.job.output}; {again} to go on."
            is_there = holds_run(checked.job.output, checked.fingerprint)
            raise fail(f"interrupted. {kept if is_there else 'No tile of it is kept.'}", FAILED) from None
        _report(summary, again, checked.job.options.min_redundancy, console)
        if reason := no_answer(summary, checked.job):
            logger.warning("%s", in_words_of_the_command(reason))
        skipped = summary.skipped
    if worst := worst_pairs(open_result(checked.job.output), MOST_PAIRS):
        console.print(pair_table(worst))
    return skipped


def fit_to_tiles(workers: ClusterOptions, checked: Checked) -> ClusterOptions:
    """Start no more workers than there are tiles to do, and than memory is enough for.

    Each has an equal share of this machine's memory as if all that were asked for came, unless a tile takes
    more: so it makes no difference whether they are on their way before it is known how many are of use.
    """
    if not workers.is_started:
        return workers
    n_worker = max(1, min(checked.n_worker, checked.n_left))
    if workers.kind == "slurm":
        return replace(workers, n_worker=n_worker)
    share = expected_memory(workers, checked.job.n_worker)
    if share is not None and checked.memory_needed > share:
        share = expected_memory(workers, n_worker)
    return replace(workers, n_worker=n_worker, memory_limit=share)


def _compute_here(workers: ClusterOptions, checked: Checked, console: Console) -> Summary:
    why = why_here(predicted_work(checked))
    logger.info("computing in threads of this process, %d at once%s", checked.means.n_thread, why)
    memory = checked.job.total_memory or expected_memory(workers, 0)
    with (
        locked(checked.job.output) as lock,
        tiles_named(),
        show_progress(console, "Inverting") as report,
    ):
        return compute(checked, showing(report), worker_memory=memory, lock=lock, client=None)


def _compute_with(
    workers: ClusterOptions,
    checked: Checked,
    console: Console,
    performance_report: Path | None,
    early: Early | None,
) -> Summary:
    if checked.n_worker < checked.job.n_worker:
        logger.info("memory is enough for %d of %d workers", checked.n_worker, checked.job.n_worker)
    workers = fit_to_tiles(workers, checked)
    connection = connect(workers) if early is None else early.connect(workers)
    started = f"starting {workers.n_worker} workers: {workers.cluster}"
    logger.info("%s", started if workers.is_started else f"connecting to {workers.cluster}")
    with (
        locked(checked.job.output) as lock,  # before workers are waited for, who may take days to come
        connection as found,
        watched(found.client, performance_report),
        show_progress(console, "Inverting") as report,
    ):
        return compute(checked, showing(report), worker_memory=found.memory_limit, lock=lock)


def _report(summary: Summary, again: str, min_redundancy: float, console: Console) -> None:
    """Say what came out: problems, and how many pixels have an answer."""
    if summary.n_resumed:
        logger.info("%d of %d tiles were done before", summary.n_resumed, summary.n_tile)
    if summary.skipped:
        logger.warning(
            "%d of %d tiles were skipped: %s. They have no data and the status failed_tile; %s to try them "
            "again",
            len(summary.skipped),
            summary.n_tile,
            name_some(summary.skipped),
            again,
        )
    if any(summary.status_count):
        counts = {status.name.lower(): summary.status_count[status] for status in Status}
        console.print(status_table(counts))
        if note := redundancy_note(counts, min_redundancy):
            console.print(note, soft_wrap=True)
