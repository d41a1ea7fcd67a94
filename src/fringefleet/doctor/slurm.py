"""Slurm as it is reachable from this machine: programs, controller, partitions, and whether it takes jobs."""

import os
import shutil
from collections.abc import Iterator

from fringefleet.cluster.slurm.request import import_jobqueue
from fringefleet.doctor.finding import Finding, ask_program, note, ok, problem
from fringefleet.errors import FringefleetError

_PROGRAMS = ("sbatch", "squeue", "scancel", "sinfo")
_FIELDS = {
    "name": "%R",
    "state": "%a",
    "nodes": "%D",
    "time": "%l",
    "cores": "%c",
    "memory": "%m",
    "gres": "%G",
}
_NOT_CONFIGURED = "configuration source"  # words of Slurm
_NAME = "Slurm"


def is_in_job() -> bool:
    """Return whether this process runs inside a job of Slurm."""
    return "SLURM_JOB_ID" in os.environ


def answers() -> bool:
    """Return whether the controller of Slurm answers."""
    return shutil.which("sinfo") is not None and ask_program("sinfo", "-h", "-o", "%R")[0] is not None


def examine_slurm() -> Iterator[Finding]:
    """Check that Slurm is there and answers, and would take a job."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if len(missing) == len(_PROGRAMS):
        yield ok(_NAME, "none on this machine, so that --cluster slurm is refused here", is_installed=False)
        return
    if missing:
        yield problem(
            _NAME,
            f"found no {', '.join(missing)} beside the other programs of Slurm",
            "Install all client programs of Slurm, or load its module, before you use --cluster slurm.",
            missing=missing,
        )
        return
    number, why = ask_program("sinfo", "--version")
    said, why = ask_program("sinfo", "-h", "-o", "|".join(_FIELDS.values()))
    if said is None:
        yield _no_answer(number, why)
        return
    yield _describe(number, said)
    yield _check_submission()
    yield _check_jobqueue()


def _no_answer(number: str | None, why: str) -> Finding:
    facts, it = {"version": number, "says": why}, number or "Slurm"
    if _NOT_CONFIGURED in why:
        advice = "Set SLURM_CONF, or start from a login node of the cluster, if --cluster slurm is wanted."
        return note(_NAME, f"{it} is installed, but belongs to no cluster: {why}", advice, **facts)
    advice = "Ask the operators whether slurmctld is up; until it answers, --cluster slurm fails."
    return problem(_NAME, f"{it} is installed, but does not answer: {why}", advice, **facts)


def _describe(number: str | None, said: str) -> Finding:
    rows = [dict(zip(_FIELDS, line.split("|"), strict=False)) for line in said.splitlines()]
    parts = [
        f"{row['name']} ({row['state']}: {row['nodes']} nodes of {row['cores']} cores and {row['memory']} MB"
        f", {row['gres']}, at most {row['time']})"
        for row in rows
    ]
    job = f"; this is inside job {os.environ['SLURM_JOB_ID']}" if is_in_job() else ""
    text = f"{number}, partitions {', '.join(parts)}{job}"
    return ok(_NAME, text, version=number, partitions=rows, job=os.environ.get("SLURM_JOB_ID"))


def _check_submission() -> Finding:
    """Ask sbatch whether it would take a job with all defaults; nothing is submitted."""
    said, why = ask_program("sbatch", "--test-only", "--wrap", "true")
    if said is None:
        return note(
            "sbatch",
            f"it takes no job without options: {why}",
            "Give what it needs (account, queue, walltime ...) in [cluster.options] of --cluster-config.",
            says=why,
        )
    return ok("sbatch", f"it would take a job: {why.removeprefix('sbatch: ')}", says=why)


def _check_jobqueue() -> Finding:
    try:
        import_jobqueue()
    except (FringefleetError, ImportError) as error:
        advice = "pip install 'fringefleet[slurm]', if --cluster slurm is wanted."
        return note("dask-jobqueue", f"it cannot be used, and --cluster slurm needs it: {error}", advice)
    return ok("dask-jobqueue", "it can be used")
