"""Request for jobs: what was said in the options or in Dask's configuration, and what a job has by that."""

import signal
import socket
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import dask
from dask.utils import parse_bytes

from fringefleet.cluster.exposure import check_protocols, serves_workers
from fringefleet.cluster.options import ClusterOptions, check_type
from fringefleet.cluster.slurm.validation import (
    check_directives,
    check_text,
    check_values,
    n_gpu,
    read_directives,
    texts,
)
from fringefleet.errors import MissingExtraError, OptionError

SECTION = "slurm"
PLAIN_WORKER = "distributed.cli.dask_worker"
OUR_WORKER = "fringefleet.cluster.slurm.gpu_worker"
CUDA_WORKER = "dask_cuda.cli"
_MEMORY = "4GB"  # of a worker, where nobody says
_NO_INTERFACE = "INTERFACE"  # in a script that is only shown


class JobPlan(NamedTuple):
    """What to ask of Slurm."""

    n_job: int
    log_folder: Path
    job: dict[str, Any]  # keywords for each job
    cluster: dict[str, Any]  # keywords for the cluster as a whole
    poll_seconds: float  # most [s] between two looks at the queue
    most_failed_starts: int  # jobs in a row that may end before a worker of theirs came
    most_replacements: int  # jobs that are submitted in place of others, of a run


class JobRequest:
    """What was said about keywords of ``SLURMCluster``, and what follows from it for a job.

    The options come first, then a section of Dask's configuration, then our own defaults. All raise an
    ``OptionError`` for what cannot be meant so, or would do something else than it says.
    """

    def __init__(self, options: ClusterOptions) -> None:
        self.options = options
        section = _complete_section(options.options.get("config_name"))
        configured = dask.config.get(section, None) or {}
        said = {str(name).replace("-", "_"): value for name, value in configured.items()}
        said |= {name: value for name, value in options.options.items() if value is not None}
        self.values = {name: value for name, value in said.items() if value is not None}
        check_values(self.values)
        if options.is_encrypted:
            check_protocols(self.values)

    def get(self, name: str, default: Any = None) -> Any:
        """Find the value of a keyword; the default if nothing was said, or None."""
        return self.values.get(name, default)

    def texts(self, name: str) -> list[str]:
        """Find the values of a keyword that takes several."""
        return texts(name, self.get(name))

    @cached_property
    def processes(self) -> int:
        """How many workers a job has: as many as GPUs, if it asks for several."""
        n_asked = n_gpu(self.texts("job_extra_directives"))
        processes: int = self.get("processes", n_asked or 1)
        if n_asked is not None and n_asked != processes and not self.options.share_gpu:
            raise OptionError(
                f"found {n_asked} GPUs in job_extra_directives for processes = {processes}; each worker has "
                f"one: give processes = {n_asked}, or --share-gpu."
            )
        return processes

    @property
    def n_job(self) -> int:
        """How many jobs there are; a worker more than asked for may come with the last."""
        return ceil((self.options.n_worker or 1) / self.processes)

    @property
    def n_worker(self) -> int:
        """How many workers there will be."""
        return self.n_job * self.processes

    @property
    def cores(self) -> int:
        """Cores of a job; its workers have as many threads."""
        cores: int = self.get("cores", self.processes)
        if cores < self.processes:
            raise OptionError(
                f"found cores = {cores} for processes = {self.processes}; each worker has one or more: give "
                f"cores = {self.processes}, or leave it out."
            )
        return cores

    @property
    def memory(self) -> int:
        """Memory of a job [byte]; the options of a cluster have that of a worker."""
        limit = self.options.worker_memory
        if limit is not None and "memory" in self.options.options:
            raise OptionError("found memory and worker_memory; give one: of the job, or of each worker.")
        if limit is None and "memory" in self.values:
            return int(parse_bytes(self.values["memory"]))
        return int(parse_bytes(_MEMORY if limit is None else limit)) * self.processes

    @property
    def wants_gpu(self) -> bool:
        """Whether jobs ask for GPUs."""
        return self.options.device == "cuda" or n_gpu(self.texts("job_extra_directives")) is not None

    @property
    def serves_http(self) -> bool:
        """Whether every worker is to have a dashboard, beside that of the scheduler."""
        return serves_workers(self.options, self.values)

    @property
    def worker_command(self) -> str:
        """What starts the workers of a job: with several GPUs it has to deal them out."""
        given = self.options.options.get("worker_command")
        configured: str = self.get("worker_command", PLAIN_WORKER)
        if given or configured != PLAIN_WORKER or self.processes == 1 or not self.wants_gpu:
            return configured
        return CUDA_WORKER if self.options.device == "cuda" else OUR_WORKER

    def directives(self) -> list[str]:
        """Say what a job asks for, as far as nobody said otherwise."""
        directives = self.texts("job_extra_directives")
        check_directives(directives)
        names = read_directives(directives).keys()
        if "nodes" not in names:
            directives.append("-N 1")
        if self.options.device == "cuda" and n_gpu(directives) is None:
            directives.append(f"--gres=gpu:{self.processes}")
        if not names & {"requeue", "no-requeue"}:
            directives.append("--no-requeue")  # it is replaced by a new one
        return directives

    def interface(self, *, is_submitted: bool) -> str:
        """Name the network interface by which nodes reach this machine; jobs that are submitted need one."""
        interface = self.options.interface or self.get("interface")
        if interface is None and is_submitted:
            here = ", ".join(name for _, name in socket.if_nameindex() if name != "lo")
            raise OptionError(
                "nobody has said by which network interface of this machine Slurm's workers, which are on "
                f"other nodes, can reach it; give one with --interface. There are {here}; the fast one is "
                "often called ib0 or hsn0."
            )
        interface = interface or _NO_INTERFACE
        check_text("interface", interface)
        return str(interface)


def import_jobqueue() -> Any:
    """Import dask-jobqueue, and keep what Ctrl-C does: its import makes it a silent end of the process.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
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
    """Let a section of Dask's configuration have what it lacks from that of Slurm; the library would fail.

    An ``OptionError`` says where there is no such section.
    """
    check_type("config_name", name, (str,))
    if name is None:
        return f"jobqueue.{SECTION}"
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
