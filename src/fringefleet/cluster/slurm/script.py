"""Request to Slurm: options in, keywords of ``SLURMCluster`` and the text of a job script out.

Nothing here starts, submits or writes anything, and no Slurm is needed. The user's ``jobqueue.yaml`` of Dask
counts, after the options and before our own defaults.
"""

import logging
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dask
from distributed import Security

from fringefleet.arguments.calls import checked_call
from fringefleet.arguments.known import check_all_known, known_keywords
from fringefleet.cluster.exposure import ANY_PORT, WORKER_ROUTES, scheduler_keywords, serves_workers
from fringefleet.cluster.local import LOCAL_SETTINGS, SETTINGS
from fringefleet.cluster.options import ClusterOptions
from fringefleet.cluster.slurm.request import SECTION, JobPlan, JobRequest, import_jobqueue
from fringefleet.cluster.slurm.validation import check_line, sbatch_log, walltime_seconds
from fringefleet.processes.preload import DEVICE, OPTIONS

logger = logging.getLogger(__name__)

JOB_NAME = "fringefleet"
_LOG_FOLDER = "fringefleet-slurm"
_OURS = ("modules", "poll_seconds", "most_failed_starts", "most_replacements")  # keywords of our own
# A worker leaves, in good order, at a time of its own before Slurm ends its job: parts of the job's time.
_LIFETIME, _STAGGER = 0.85, 0.1
# Keywords of SLURMCluster that are ours to say.
_RESERVED = {"scheduler", "name", "interface", "protocol", "security", "loop", "asynchronous", "silence_logs"}
_RESERVED |= {"job_kwargs", "base_class_kwargs", "job_cls", "n_workers", "dashboard_address", "host"}


@checked_call
def plan_jobs(options: ClusterOptions, job_name: str | None = None, *, is_submitted: bool = True) -> JobPlan:
    """Decide what to request from Slurm; raises as :func:`fringefleet.connect` does.

    By default one job for each worker, with one GPU if ``device`` is ``cuda``. With ``processes = N``, or
    where ``job_extra_directives`` request N GPUs, a job has N workers with a GPU each, started by
    dask-cuda, or by :mod:`~fringefleet.cluster.slurm.gpu_worker` if ``device`` is not ``cuda`` or
    ``worker_command`` names it. ``options.options`` has keywords of ``SLURMCluster`` and our own:
    ``modules`` (for ``module load``), ``poll_seconds`` (longest interval between queries [s]),
    ``most_failed_starts`` (consecutive jobs that may end without a worker), ``most_replacements`` (jobs
    that may replace others). ``job_name`` replaces their name.

    Examples
    --------
    >>> plan = plan_jobs(ClusterOptions("slurm", 8, options={"queue": "gpu"}), is_submitted=False)
    >>> plan.n_job, plan.job["queue"]
    (8, 'gpu')
    """
    said = JobRequest(options)
    cluster, given = _split_keywords(options.options)
    job_name = job_name or given.get("job_name") or JOB_NAME
    log_folder = Path(said.get("log_directory", _LOG_FOLDER)).expanduser().absolute()
    # What we rely on: where the log is, and what a job is called.
    own = [f"-o {sbatch_log(log_folder, '%x-%j.log')}", "--open-mode=append"]
    if any(text in f"#SBATCH -J {job_name}" for text in said.texts("job_directives_skip")):
        own.append(f"-J {job_name}")
    job = given | {
        "job_name": job_name,
        "processes": said.processes,
        "cores": said.cores,
        "memory": f"{said.memory}B",
        "python": _python(said),
        "worker_command": said.worker_command,
        "job_extra_directives": [*said.directives(), *own],
        "job_script_prologue": _prologue(said),
        "worker_extra_args": said.worker_arguments(),
        "local_directory": '"$FRINGEFLEET_LOCAL"',
    }
    job.pop("log_directory", None)  # with it dask-jobqueue would make the folder, readable by all
    scheduler = {"dashboard_address": ANY_PORT} | dict(said.get("scheduler_options", {}))
    cluster["interface"] = said.interface(is_submitted=is_submitted)
    cluster["scheduler_options"] = scheduler_keywords(options, scheduler)
    if said.n_worker > (options.n_worker or said.n_worker):
        more = said.n_worker, options.n_worker, said.processes
        logger.info("%d workers instead of %d: each job has %d", *more)
    most = said.get("most_failed_starts", 3), said.get("most_replacements", 20 * said.n_job)
    return JobPlan(said.n_job, log_folder, job, cluster, said.get("poll_seconds", 30.0), *most)


@checked_call
def job_script(plan: JobPlan, *, tls: bool = True) -> str:
    """Write the script of a job as it would be submitted, without the scheduler's address.

    Examples
    --------
    >>> "#SBATCH" in job_script(plan_jobs(ClusterOptions("slurm", 8), is_submitted=False))
    True
    """
    if not tls:
        return script_of_job(plan, "tcp://SCHEDULER:PORT", None)
    files = {"tls_ca_file": "CA", "tls_worker_cert": "CERTIFICATE", "tls_worker_key": "KEY"}
    return script_of_job(plan, "tls://SCHEDULER:PORT", Security(require_encryption=True, **files))


def script_of_job(plan: JobPlan, scheduler: str, security: Security | None) -> str:
    """Write the script of a job for a scheduler's address and its certificates."""
    import_jobqueue()  # which keeps what Ctrl-C does
    from fringefleet.cluster.slurm.monitor import RecordingJob  # noqa: PLC0415 - optional

    keywords = plan.job | {"interface": plan.cluster["interface"], "security": security}
    with dask.config.set(settings(plan)):
        job = RecordingJob(scheduler, "slurm-0", protocol="tls://" if security else None, **keywords)
    return str(job.job_script())  # type: ignore[no-untyped-call]


def settings(plan: JobPlan) -> dict[str, Any]:
    """Keep dask-jobqueue from creating a folder for logs that all can read, and from separating errors."""
    return {f"jobqueue.{plan.job.get('config_name') or SECTION}.log-directory": None}


def _split_keywords(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split keywords into those of the cluster and those of jobs; refuse unknown ones."""
    library = import_jobqueue()
    of_cluster = set(known_keywords(library.core.JobQueueCluster))
    of_job = set(known_keywords(library.slurm.SLURMJob, library.core.Job))
    known = sorted((of_cluster | of_job | set(_OURS)) - _RESERVED)
    check_all_known(options, known, "keyword for SLURMCluster")
    cluster = {name: value for name, value in options.items() if name in of_cluster - {"config_name"}}
    job = {name: value for name, value in options.items() if name not in (*cluster, *_OURS)}
    return {"name": "slurm"} | cluster, job


def _prologue(request: JobRequest) -> list[str]:
    """Write the commands of a job before its worker starts; those of the user follow the modules."""
    lines = [f"module load {shlex.quote(module)}" for module in request.texts("modules")]
    lines += request.texts("job_script_prologue")
    lines += [f"export {name}={shlex.quote(value)}" for name, value in _exports(request).items()]
    base = str(request.get("local_directory", "${TMPDIR:-/tmp}"))
    base = re.sub("^~", "$HOME", base)  # in quotes ~ is a name
    lines.append(f'FRINGEFLEET_LOCAL=$(mktemp -d -- "{base}/fringefleet-XXXXXXXX") || exit 1')  # mode 0700
    # Told to end, it lets the worker do so first.
    return [*lines, "trap 'rm -rf \"$FRINGEFLEET_LOCAL\"' EXIT", "trap 'exit 143' TERM"]


def _exports(request: JobRequest) -> dict[str, str]:
    """Write the settings of local workers as environment variables."""
    said = SETTINGS | LOCAL_SETTINGS | _lifetime(request)
    if not serves_workers(request.options, request.values):
        said[WORKER_ROUTES] = []
    options = dask.config.get(OPTIONS, {})
    said |= {f"{OPTIONS}.{name}": value for name, value in options.items()}
    exports = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if request.wants_gpu else {}
    said |= {DEVICE: "cuda"} if request.options.device == "cuda" else {}
    for key, value in said.items():
        if "pre-spawn-environ" in key:
            exports[key.rpartition(".")[2]] = str(value)
        elif key.startswith(("distributed.worker.", DEVICE, OPTIONS)):
            exports["DASK_" + key.upper().replace(".", "__").replace("-", "_")] = str(value)
    return exports


def _lifetime(request: JobRequest) -> dict[str, Any]:
    """Let workers leave before their job's time is over, unless the options say when."""
    seconds = walltime_seconds(request.get("walltime"))
    if seconds is None or any("--lifetime" in item for item in request.texts("worker_extra_args")):
        return {}
    key = "distributed.worker.lifetime"
    return {f"{key}.duration": f"{_LIFETIME * seconds:.0f}s", f"{key}.stagger": f"{_STAGGER * seconds:.0f}s"}


def _python(request: JobRequest) -> str:
    """Write the command of Python; the user's has its quotation already."""
    if given := request.get("python"):
        return shlex.join(shlex.split(given))
    check_line("the path of Python", sys.executable, "give python, or make an environment elsewhere")
    return shlex.quote(sys.executable)
