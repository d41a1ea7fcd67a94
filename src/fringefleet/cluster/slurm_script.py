"""What to ask of Slurm: options in, keywords of ``SLURMCluster`` and the text of a job script out.

Nothing here starts, submits or writes anything, and no Slurm is needed. What the user's ``jobqueue.yaml`` of
Dask says counts, and comes after the options and before our own defaults.
"""

import logging
import re
import shlex
import socket
import sys
from collections.abc import Iterable
from inspect import signature
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import dask
from dask.utils import parse_bytes
from distributed import Security

from fringefleet.cluster.local import LOCAL_SETTINGS, SETTINGS
from fringefleet.cluster.options import ClusterOptions, refuse_unknown
from fringefleet.cluster.security import LOOPBACK
from fringefleet.cluster.slurm_directives import n_gpu, read_directives, refuse_contradictions
from fringefleet.cluster.slurm_said import SECTION, Said, complete_section, import_jobqueue
from fringefleet.cluster.slurm_values import refuse_text, refuse_unsafe, walltime_seconds
from fringefleet.errors import OptionError

logger = logging.getLogger(__name__)

OUR_WORKER = "fringefleet.cluster.slurm_worker"
PLAIN_WORKER = "distributed.cli.dask_worker"
CUDA_WORKER = "dask_cuda.cli"
MEMORY = "4GB"  # of a worker, where nobody says
NO_INTERFACE = "INTERFACE"  # in a script that is only shown
JOB_NAME = "fringefleet"
LOG_FOLDER = "fringefleet-slurm"
# A worker leaves, in good order, at a time of its own before Slurm ends its job: parts of the job's time.
LIFETIME, STAGGER = 0.85, 0.1
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
    gpu_job = _wants_gpu(said, options)
    log_folder = Path(said.get("log_directory", LOG_FOLDER)).expanduser().absolute()
    job = given | {
        "job_name": job_name,
        "processes": processes,
        "cores": _cores(said, processes),
        "memory": _memory(said, options, processes),
        "python": _quote(shlex.split(said.get("python", shlex.quote(sys.executable)))),
        "worker_command": said.options.get("worker_command") or _worker_command(said, options, processes),
        "job_extra_directives": [
            *_directives(said, options, processes),
            *_own_directives(said, job_name, log_folder),
        ],
        "job_script_prologue": _prologue(said, ours["modules"], gpu_job),
        "local_directory": '"$FRINGEFLEET_LOCAL"',
    }
    job.pop("log_directory", None)  # with it dask-jobqueue would make the folder, readable by all
    job["worker_extra_args"] = _worker_arguments(said, job["worker_command"], processes)
    interface = _interface(said, options, is_submitted=is_submitted)
    scheduler = {"dashboard_address": f"{LOOPBACK}:0"} | dict(said.get("scheduler_options", {}))
    cluster |= {"interface": interface, "scheduler_options": scheduler}
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


def job_script(plan: JobPlan, *, tls: bool = False) -> str:
    """Write the script of a job as it would be submitted, but for the address of the scheduler."""
    protocol = "tls" if tls else "tcp"
    files = {"tls_ca_file": "CA", "tls_worker_cert": "CERTIFICATE", "tls_worker_key": "KEY"}
    security = Security(require_encryption=True, **files) if tls else None
    library = import_jobqueue()
    with dask.config.set(settings(plan)):
        job = library.slurm.SLURMJob(
            scheduler=f"{protocol}://SCHEDULER:PORT",
            name="slurm-0",
            interface=plan.cluster["interface"],
            protocol="tls://" if tls else None,
            security=security,
            **plan.job,
        )
    return str(job.job_script())


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
    own = [f'-o "{log_folder}/%x-%j.log"', "--open-mode=append"]
    if any(text in f"#SBATCH -J {job_name}" for text in said.list("job_directives_skip")):
        own.append(f"-J {job_name}")
    return own


def _prologue(said: Said, modules: Iterable[str], gpu_job: bool) -> list[str]:
    """Write what a job does before its worker starts; the user's own lines come after the modules."""
    lines = [f"module load {shlex.quote(module)}" for module in modules] + said.list("job_script_prologue")
    exports = _exports() | _lifetime(said)
    if gpu_job:
        exports["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    lines += [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
    base = re.sub("^~", "$HOME", str(said.get("local_directory", "${TMPDIR:-/tmp}")))  # in quotes ~ is a name
    lines.append(f'FRINGEFLEET_LOCAL=$(mktemp -d "{base}/fringefleet-XXXXXXXX") || exit 1')  # mode 0700
    # Told to end, it lets the worker do so first.
    return [*lines, "trap 'rm -rf \"$FRINGEFLEET_LOCAL\"' EXIT", "trap 'exit 143' TERM"]


def _exports() -> dict[str, str]:
    """Turn the settings of local workers into environment variables that mean the same."""
    exports = {}
    for key, value in (SETTINGS | LOCAL_SETTINGS).items():
        if key.startswith("distributed.worker."):
            exports["DASK_" + key.upper().replace(".", "__").replace("-", "_")] = str(value)
        elif "pre-spawn-environ" in key:
            exports[key.rpartition(".")[2]] = str(value)
    return exports


def _lifetime(said: Said) -> dict[str, str]:
    """Let workers leave before their job's time is over, unless the user says when."""
    seconds = walltime_seconds(said.get("walltime"))
    if seconds is None or any("--lifetime" in item for item in said.list("worker_extra_args")):
        return {}
    prefix = "DASK_DISTRIBUTED__WORKER__LIFETIME__"
    return {
        f"{prefix}DURATION": f"{LIFETIME * seconds:.0f}s",
        f"{prefix}STAGGER": f"{STAGGER * seconds:.0f}s",
    }


def _worker_arguments(said: Said, worker_command: str, processes: int) -> list[str]:
    """Write the arguments of a worker, each safe from the shell."""
    arguments = [word for item in said.list("worker_extra_args") for word in shlex.split(item)]
    if not any(word.startswith("--dashboard-address") for word in arguments):
        arguments += ["--dashboard-address", f"{LOOPBACK}:0"]
    if worker_command == OUR_WORKER:
        arguments += ["--nworkers", str(processes)]
    if worker_command == CUDA_WORKER and not any("--device-memory-limit" in word for word in arguments):
        arguments += ["--device-memory-limit", "0"]  # nothing that Dask could move or spill lies on the GPU
    return [shlex.quote(word) for word in arguments]


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


def _quote(words: Iterable[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)
