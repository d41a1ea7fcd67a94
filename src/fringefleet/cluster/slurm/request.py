"""Request for jobs: keywords from the options and from Dask's configuration, and the resources of a job."""

import shlex
import signal
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import dask
from dask.utils import parse_bytes

from fringefleet.arguments.kinds import check_kind
from fringefleet.cluster.exposure import ANY_PORT, as_list, check_protocols, serves_workers
from fringefleet.cluster.options import ClusterOptions
from fringefleet.cluster.slurm import validation
from fringefleet.errors import MissingExtraError, OptionError
from fringefleet.processes.interfaces import usable_interfaces
from fringefleet.processes.preload import HTTP_OFF, WARM_UP

SECTION = "slurm"
_PLAIN_WORKER = "distributed.cli.dask_worker"
_OUR_WORKER = "fringefleet.cluster.slurm.gpu_worker"
_CUDA_WORKER = "dask_cuda.cli"
_MEMORY = "4GB"  # of a worker, where nobody says
_NO_INTERFACE = "INTERFACE"  # in a script that is only shown


class JobPlan(NamedTuple):
    """Jobs to request from Slurm."""

    n_job: int
    log_folder: Path
    job: dict[str, Any]  # keywords for each job
    cluster: dict[str, Any]  # keywords for the cluster as a whole
    poll_seconds: float  # most [s] between two looks at the queue
    most_failed_starts: int  # jobs in a row that may end before a worker of theirs came
    most_replacements: int  # jobs that are submitted in place of others, of a run


class JobRequest:
    """Keywords of ``SLURMCluster``, and the resources of a job that follow from them.

    The options take precedence, then a section of Dask's configuration, then our defaults. Invalid or
    contradictory values raise an ``OptionError``.
    """

    def __init__(self, options: ClusterOptions) -> None:
        self.options = options
        configured = dask.config.get(_complete_section(options.options.get("config_name")), None) or {}
        said = {str(name).replace("-", "_"): value for name, value in configured.items()}
        given = {**options.options, "interface": options.interface}
        said |= {name: value for name, value in given.items() if value is not None}
        self.values = {name: value for name, value in said.items() if value is not None}
        self.get = self.values.get
        validation.check_values(self.values)
        if options.is_encrypted:
            check_protocols(self.values)

    def texts(self, name: str) -> list[str]:
        """Return the values of a keyword that takes several."""
        return validation.texts(name, self.get(name))

    @cached_property
    def n_gpu(self) -> int | None:
        """Number of GPUs in the directives of a job; None if there are none."""
        return validation.n_gpu(self.texts("job_extra_directives"))

    @cached_property
    def processes(self) -> int:
        """Number of workers of a job: one for each GPU, if it has several."""
        processes: int = self.get("processes", self.n_gpu or 1)
        if self.n_gpu not in (None, processes) and not self.options.share_gpu:
            raise OptionError(
                f"found {self.n_gpu} GPUs in job_extra_directives for processes = {processes}; each worker "
                f"has one: give processes = {self.n_gpu}, or --share-gpu."
            )
        return processes

    @property
    def n_job(self) -> int:
        """Number of jobs; the last may bring more workers than requested."""
        return ceil((self.options.n_worker or 1) / self.processes)

    @property
    def n_worker(self) -> int:
        """Number of workers."""
        return self.n_job * self.processes

    @property
    def cores(self) -> int:
        """Cores of a job, as many as its workers have threads."""
        cores: int = self.get("cores", self.processes)
        if cores < self.processes:
            raise OptionError(
                f"found cores = {cores} for processes = {self.processes}; each worker has one or more: give "
                f"cores = {self.processes}, or leave it out."
            )
        return cores

    @property
    def memory(self) -> int:
        """Memory of a job [byte]."""
        limit = self.options.worker_memory
        if limit is not None and "memory" in self.options.options:
            raise OptionError("found memory and worker_memory; give one: of the job, or of each worker.")
        if limit is None and "memory" in self.values:
            return int(parse_bytes(self.values["memory"]))
        return int(parse_bytes(_MEMORY if limit is None else limit)) * self.processes

    @property
    def wants_gpu(self) -> bool:
        """Whether jobs request GPUs."""
        return self.options.device == "cuda" or self.n_gpu is not None

    @property
    def worker_command(self) -> str:
        """Command that starts the workers of a job, and assigns GPUs where there are several."""
        said: str = self.get("worker_command", _PLAIN_WORKER)
        is_chosen = self.options.options.get("worker_command") or said != _PLAIN_WORKER
        if is_chosen or self.processes == 1 or not self.wants_gpu:
            return said
        return _CUDA_WORKER if self.options.device == "cuda" else _OUR_WORKER

    def worker_arguments(self) -> list[str]:
        """Write the arguments of a worker, quoted for the shell."""
        command = self.worker_command
        arguments = [word for item in self.texts("worker_extra_args") for word in shlex.split(item)]
        given = [word.partition("=")[0] for word in arguments]
        if "--dashboard-address" not in given:
            arguments += ["--dashboard-address", ANY_PORT]
        if command in (_PLAIN_WORKER, _CUDA_WORKER, _OUR_WORKER):
            preloads = []
            if "--preload" not in given and command != _CUDA_WORKER:  # which comes before the configuration
                preloads = as_list(dask.config.get("distributed.worker.preload", []))
            if not serves_workers(self.options, self.values):
                arguments.append("--no-dashboard")
                preloads.append(HTTP_OFF)
            arguments += [word for name in (*preloads, WARM_UP) for word in ("--preload", name)]
        if command == _OUR_WORKER:
            arguments += ["--nworkers", str(self.processes)]
        if command == _CUDA_WORKER and "--device-memory-limit" not in given:
            arguments += ["--device-memory-limit", "0"]  # nothing that Dask could move lies on the GPU
        return [shlex.quote(word) for word in arguments]

    def directives(self) -> list[str]:
        """Compose the directives of a job that the options do not set."""
        directives = self.texts("job_extra_directives")
        validation.check_directives(directives)
        names = validation.read_directives(directives).keys()
        if "nodes" not in names:
            directives.append("-N 1")
        if self.options.device == "cuda" and self.n_gpu is None:
            directives.append(f"--gres=gpu:{self.processes}")
        if not names & {"requeue", "no-requeue"}:
            directives.append("--no-requeue")  # it is replaced by a new one
        return directives

    def interface(self, *, is_submitted: bool) -> str:
        """Name of the network interface by which nodes reach this machine, which submitted jobs need."""
        if is_submitted and "interface" not in self.values:
            raise OptionError(
                "found no --interface; Slurm's workers are on other nodes and need one by which they reach "
                f"this machine. Give one of {usable_interfaces()}; the fast one is often called ib0 or hsn0."
            )
        return str(self.get("interface", _NO_INTERFACE))


def import_jobqueue() -> Any:
    """Import dask-jobqueue, and restore the handling of Ctrl-C, which its import changes."""
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        import dask_jobqueue.slurm  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError(
            f"--cluster slurm needs dask-jobqueue ({error}); install it with pip install "
            "'fringefleet[slurm]'."
        ) from error
    if signal.getsignal(signal.SIGINT) is not on_interrupt:
        signal.signal(signal.SIGINT, on_interrupt)
    return dask_jobqueue


def _complete_section(name: str | None) -> str:
    """Complete a section of Dask's configuration from that of Slurm, without which the library fails."""
    if name is None:
        return f"jobqueue.{SECTION}"
    check_kind("config_name", name, str)
    import_jobqueue()  # which brings the latter
    sections = dask.config.get("jobqueue")
    if name not in sections:
        raise OptionError(
            f"found no section {name!r} below jobqueue in Dask's configuration, which is in "
            f"{', '.join(map(str, dask.config.paths))}; there are {', '.join(sorted(sections))}. Correct the "
            "name, or write the section."
        )
    dask.config.update_defaults({"jobqueue": {name: dict(sections.get(SECTION, {}))}})
    return f"jobqueue.{name}"
