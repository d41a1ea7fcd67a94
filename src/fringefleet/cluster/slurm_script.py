"""Request to Slurm: options in, keywords of ``SLURMCluster`` and the text of a job script out.

Nothing here starts, submits or writes anything, and no Slurm is needed. What the user's ``jobqueue.yaml`` of
Dask says counts, and comes after the options and before our own defaults.
"""

import logging
import socket
from inspect import signature
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import dask
from dask.utils import parse_bytes
from distributed import Security

from fringefleet import warm_up
from fringefleet.cluster.exposure import check_protocols
from fringefleet.cluster.options import ClusterOptions, refuse_unknown
from fringefleet.cluster.serving import ANY_PORT, scheduler_keywords, serves_workers
from fringefleet.cluster.slurm_directives import n_gpu, read_directives, refuse_contradictions
from fringefleet.cluster.slurm_lines import (
    CUDA_WORKER,
    OUR_WORKER,
    PLAIN_WORKER,
    exported,
    variable_of,
    write_arguments,
    write_prologue,
    write_python,
)
from fringefleet.cluster.slurm_paths import sbatch_log
from fringefleet.cluster.slurm_said import SECTION, Said, complete_section, import_jobqueue
from fringefleet.cluster.slurm_values import refuse_text, refuse_unsafe
from fringefleet.errors import OptionError

logger = logging.getLogger(__name__)

MEMORY = "4GB"  # of a worker, where nobody says
NO_INTERFACE = "INTERFACE"  # in a script that is only shown
JOB_NAME = "fringefleet"
LOG_FOLDER = "fringefleet-slurm"
OURS: dict[str, Any] = {
    "modules": (),
    "poll_seconds": 30.0,
    "most_failed_starts": 3,
    "most_replacements": None,
}


class JobPlan(NamedTuple):
    """What to ask of Slurm."""

    n_job: int
    log_folder: Path
    job: dict[str, Any]  # keywords for each job
    cluster: dict[str, Any]  # keywords for the cluster as a whole
    poll_seconds: float  # most [s] between two looks at the queue
    most_failed_starts: int  # jobs in a row that may end before a worker of theirs came
    most_replacements: int  # jobs that are submitted in place of others, of a run


def plan_jobs(options: ClusterOptions, job_name: str | None = None, *, is_submitted: bool = True) -> JobPlan:
    """Decide what to ask of Slurm.

    By default one job for each worker, with one GPU if ``device`` is ``cuda``; with ``processes = N``, or
    where ``job_extra_directives`` ask for N GPUs, one job for N workers, which have a GPU each: dask-cuda
    starts them, or our own :mod:`~fringefleet.cluster.slurm_worker` if ``device`` is not ``cuda``, or if
    ``worker_command`` names it.
    ``options.options`` has keywords of dask-jobqueue's ``SLURMCluster`` and these of our own: ``modules``,
    names for ``module load``; ``poll_seconds``, most time between two looks at the queue [s];
    ``most_failed_starts``, jobs in a row that may end before a worker of theirs came;
    ``most_replacements``, jobs that may take the place of others.

    Parameters
    ----------
    options
        What is wanted.
    job_name
        What the jobs are called in the queue, instead.
    is_submitted
        Whether they are submitted from here, so that the nodes need a way to this machine.

    Raises
    ------
    OptionError
        Something cannot be meant so, or would do something else than it says.
    MissingExtraError
        dask-jobqueue is not installed.
    """
    said = _said(options)
    given = dict(options.options)
    ours = {name: given.pop(name, None) for name in OURS}
    ours = {name: OURS[name] if value is None else value for name, value in ours.items()}
    cluster = _cluster_keywords(given)
    job_name = job_name or given.get("job_name") or JOB_NAME
    processes = _processes(said, options)
    serves_http = serves_workers(options, said.everything())
    exports = exported(said, serves_http=serves_http)
    if _wants_gpu(said, options):
        exports["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    if options.device == "cuda":
        exports[variable_of(warm_up.DEVICE)] = options.device
    for name, value in dask.config.get(warm_up.OPTIONS, {}).items():
        exports[variable_of(f"{warm_up.OPTIONS}.{name}")] = str(value)
    log_folder = Path(said.get("log_directory", LOG_FOLDER)).expanduser().absolute()
    job = given | {
        "job_name": job_name,
        "processes": processes,
        "cores": _cores(said, processes),
        "memory": _memory(said, options, processes),
        "python": write_python(said),
        "worker_command": said.options.get("worker_command") or _worker_command(said, options, processes),
        "job_extra_directives": [
            *_directives(said, options, processes),
            *_own_directives(said, job_name, log_folder),
        ],
        "job_script_prologue": write_prologue(said, ours["modules"], exports),
        "local_directory": '"$FRINGEFLEET_LOCAL"',
    }
    job.pop("log_directory", None)  # with it dask-jobqueue would make the folder, readable by all
    job["worker_extra_args"] = write_arguments(
        said, job["worker_command"], processes, serves_http=serves_http
    )
    interface = _interface(said, options, is_submitted=is_submitted)
    scheduler = {"dashboard_address": ANY_PORT} | dict(said.get("scheduler_options", {}))
    cluster |= {"interface": interface, "scheduler_options": scheduler_keywords(options, scheduler)}
    n_job = ceil((options.n_worker or 1) / processes)
    if options.n_worker is not None and n_job * processes > options.n_worker:
        logger.info(
            "%d workers instead of %d: each job has %d", n_job * processes, options.n_worker, processes
        )
    most = 20 * n_job if ours["most_replacements"] is None else ours["most_replacements"]
    return JobPlan(n_job, log_folder, job, cluster, ours["poll_seconds"], ours["most_failed_starts"], most)


def count_slurm(options: ClusterOptions) -> int:
    """Count the workers that there will be: as many as asked for, or more where a job has several.

    Raises
    ------
    OptionError
        Something cannot be meant so.
    MissingExtraError
        dask-jobqueue is not installed.
    """
    processes = _processes(_said(options), options)
    return ceil((options.n_worker or 1) / processes) * processes


def memory_of_worker(options: ClusterOptions) -> int:
    """Work out what each worker of a job has [byte].

    Raises
    ------
    OptionError
        Something cannot be meant so.
    MissingExtraError
        dask-jobqueue is not installed.
    """
    said = _said(options)
    processes = _processes(said, options)
    return int(parse_bytes(_memory(said, options, processes))) // processes


def cores_of_worker(options: ClusterOptions) -> int:
    """Work out how many cores each worker of a job has; it has as many threads.

    Raises
    ------
    OptionError
        Something cannot be meant so.
    MissingExtraError
        dask-jobqueue is not installed.
    """
    said = _said(options)
    processes = _processes(said, options)
    return max(1, _cores(said, processes) // processes)


def job_script(plan: JobPlan, *, tls: bool = True) -> str:
    """Write the script of a job as it would be submitted, but for the address of the scheduler."""
    protocol = "tls" if tls else "tcp"
    files = {"tls_ca_file": "CA", "tls_worker_cert": "CERTIFICATE", "tls_worker_key": "KEY"}
    security = Security(require_encryption=True, **files) if tls else None
    return script_of_job(plan, f"{protocol}://SCHEDULER:PORT", security)


def script_of_job(plan: JobPlan, scheduler: str, security: Security | None) -> str:
    """Write the script of a job for the address of a scheduler, and the certificates for it."""
    import_jobqueue()  # which keeps what Ctrl-C does
    from fringefleet.cluster.slurm_jobs import Job  # noqa: PLC0415 - optional

    with dask.config.set(settings(plan)):
        job = Job(
            scheduler=scheduler,
            name="slurm-0",
            interface=plan.cluster["interface"],
            protocol="tls://" if security else None,
            security=security,
            **plan.job,
        )
    return str(job.job_script())  # type: ignore[no-untyped-call]


def settings(plan: JobPlan) -> dict[str, Any]:
    """Keep dask-jobqueue from making the folder for logs, readable by all, and from putting errors apart."""
    return {f"jobqueue.{plan.job.get('config_name') or SECTION}.log-directory": None}


def _cluster_keywords(given: dict[str, Any]) -> dict[str, Any]:
    """Take those keywords out that are for the cluster as a whole; refuse those that nobody knows."""
    library = import_jobqueue()
    parts = library.core.JobQueueCluster, library.slurm.SLURMJob, library.core.Job
    of_cluster, of_slurm, of_job = (set(signature(part.__init__).parameters) for part in parts)
    reserved = {"self", "scheduler", "name", "interface", "protocol", "security", "loop", "asynchronous"}
    reserved |= {"job_kwargs", "base_class_kwargs", "job_cls", "n_workers", "dashboard_address", "host"}
    reserved |= {"silence_logs"}
    known = sorted((of_cluster | of_slurm | of_job | set(OURS)) - reserved)
    for name in given:
        refuse_unknown(name, known, "keyword for SLURMCluster")
    names = [name for name in given if name in of_cluster and name != "config_name"]
    return {"name": "slurm"} | {name: given.pop(name) for name in names}


def _said(options: ClusterOptions) -> Said:
    """Take what was said, when it has been found good."""
    complete_section(options.options.get("config_name"))
    said = Said(options.options)
    refuse_unsafe(said.everything())
    if options.is_encrypted:
        check_protocols(said.everything())
    return said


def _processes(said: Said, options: ClusterOptions) -> int:
    """How many workers a job has: as many as GPUs, if it asks for several."""
    n_asked = n_gpu(said.list("job_extra_directives"))
    processes: int = said.get("processes", n_asked or 1)
    if n_asked is not None and n_asked != processes and not options.share_gpu:
        raise OptionError(
            f"found {n_asked} GPUs in job_extra_directives for processes = {processes}; each worker has one: "
            f"give processes = {n_asked}, or --share-gpu."
        )
    return processes


def _cores(said: Said, processes: int) -> int:
    cores: int = said.get("cores", processes)
    if cores < processes:
        raise OptionError(
            f"found cores = {cores} for processes = {processes}; each worker has one or more: give cores = "
            f"{processes}, or leave it out."
        )
    return cores


def _wants_gpu(said: Said, options: ClusterOptions) -> bool:
    return options.device == "cuda" or n_gpu(said.list("job_extra_directives")) is not None


def _memory(said: Said, options: ClusterOptions, processes: int) -> str:
    """Say the memory of a job; the options have that of a worker."""
    if options.memory_limit is not None:
        if "memory" in said.options:
            raise OptionError("found memory and memory_limit; give one: of the job, or of each worker.")
        return f"{parse_bytes(options.memory_limit) * processes}B"
    memory: str = said.get("memory", f"{parse_bytes(MEMORY) * processes}B")
    return memory


def _worker_command(said: Said, options: ClusterOptions, processes: int) -> str:
    """Choose what starts the workers of a job: with several GPUs it has to deal them out."""
    configured: str = said.get("worker_command", PLAIN_WORKER)
    if configured != PLAIN_WORKER or processes == 1 or not _wants_gpu(said, options):
        return configured
    return CUDA_WORKER if options.device == "cuda" else OUR_WORKER


def _directives(said: Said, options: ClusterOptions, processes: int) -> list[str]:
    """Say what a job asks for, as far as nobody said otherwise."""
    directives = said.list("job_extra_directives")
    refuse_contradictions(directives)
    names = {name for name, _ in read_directives(directives)}
    if "nodes" not in names:
        directives.append("-N 1")
    if options.device == "cuda" and n_gpu(directives) is None:
        directives.append(f"--gres=gpu:{processes}")
    if not names & {"requeue", "no-requeue"}:
        directives.append("--no-requeue")  # it is replaced by a new one
    return directives


def _own_directives(said: Said, job_name: str, log_folder: Path) -> list[str]:
    """Say what we rely on: what a job is called, and where its log is."""
    own = [f"-o {sbatch_log(log_folder, '%x-%j.log')}", "--open-mode=append"]
    if any(text in f"#SBATCH -J {job_name}" for text in said.list("job_directives_skip")):
        own.append(f"-J {job_name}")
    return own


def _interface(said: Said, options: ClusterOptions, *, is_submitted: bool) -> str:
    interface = options.interface or said.get("interface")
    if interface is None and is_submitted:
        here = ", ".join(name for _, name in socket.if_nameindex() if name != "lo")
        raise OptionError(
            "nobody has said by which network interface of this machine Slurm's workers, which are on other "
            f"nodes, can reach it; give one with --interface. There are {here}; the fast one is often called "
            "ib0 or hsn0."
        )
    interface = interface or NO_INTERFACE
    refuse_text("interface", interface)
    return str(interface)
