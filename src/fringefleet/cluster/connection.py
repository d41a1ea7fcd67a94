"""Connections to workers: local, of Slurm, or already running; checked before use and closed afterwards."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import dask
from dask.system import CPU_COUNT
from dask.utils import parse_bytes
from distributed import Client, LocalCluster
from distributed.diagnostics.nvml import device_get_count, one_time
from distributed.system import MEMORY_LIMIT

from fringefleet.arguments.calls import checked_call
from fringefleet.cluster.existing import connect_running, use_current
from fringefleet.cluster.local import Start, begin_local, count_local, count_local_gpus
from fringefleet.cluster.options import VISIBLE, ClusterKind, ClusterOptions, cluster_options
from fringefleet.cluster.security import kept_credentials
from fringefleet.cluster.slurm.cluster import start_slurm
from fringefleet.cluster.slurm.request import JobRequest
from fringefleet.errors import DeviceError, InputError, MissingExtraError, OptionError
from fringefleet.processes.clients import current_client, note_open
from fringefleet.processes.connected import ConnectedWorkers
from fringefleet.processes.cores import own_cores
from fringefleet.processes.dashboard import dashboard_link, warn_of_dashboard
from fringefleet.processes.interfaces import check_interface, interfaces_here
from fringefleet.processes.main_program import end_if_reimported
from fringefleet.processes.versions import MUST_AGREE, say_differences, versions_that_must_agree
from fringefleet.processes.worker_info import Record, ask_workers, sharing

__all__ = ["connect", "dashboard_link"]

logger = logging.getLogger(__name__)

_LOCAL: tuple[ClusterKind, ...] = ("local", "local-cuda")


@checked_call
def connect(
    cluster: str | Path | ClusterOptions | None = None, n_worker: int | None = None, **changes: Any
) -> AbstractContextManager[ConnectedWorkers]:
    """Connect to workers, make them the current Dask scheduler, and stop at last what was started.

    Parameters
    ----------
    cluster
        ``local``, ``local-cuda``, ``slurm``, ``current``, the address or the scheduler file of a running
        cluster, or all options as a :class:`ClusterOptions`. None: the client that is current in this
        process, if there is one, else this machine.
    n_worker
        Processes, GPUs or Slurm workers; of a running cluster, how many to wait for.
    **changes
        Single fields of :class:`ClusterOptions`, by name: ``worker_memory="8GB"``, ``device="cuda"``.

    Raises
    ------
    OptionError
        Something cannot be meant so.
    DeviceError
        A GPU is asked for and there is none, or two workers have the same.
    MissingExtraError
        What is asked for needs a library that is not installed.
    InputError
        Nothing answers at the address, it has no workers, or they have other software.

    Examples
    --------
    >>> with connect("local", 1, worker_memory="1GB") as workers:
    ...     workers.client.submit(sum, [1, 2]).result(), workers.worker_memory
    (3, 1000000000)
    """
    end_if_reimported()
    options = resolve(cluster_options(cluster, n_worker, **changes))
    if options.n_worker == 0:
        raise OptionError(
            "found 0 workers to connect to; give 1 or more. Where no Dask client is current, fringefleet.run "
            "computes in threads of this process."
        )
    return _connected(options)


class Early:
    """Workers that may be on their way before it is known how many are of use."""

    def __init__(self, start: Start | None) -> None:
        self._start = start

    def give_up(self) -> None:
        """Stop the workers that are being started."""
        if self._start is not None:
            self._start.stop(in_good_order=False)
            self._start = None

    @contextmanager
    def connect(self, options: ClusterOptions) -> Iterator[ConnectedWorkers]:
        """Connect to these workers, in the number wanted now; where other options differ, start others."""
        if self._start and options != replace(self._start.options, n_worker=options.n_worker):
            self.give_up()
        with _connected(options, self._start) as workers:
            yield workers
        if self._start is not None:
            self._start.stop(in_good_order=True)


@contextmanager
def begin_early(options: ClusterOptions, *, n_worker: int) -> Iterator[Early]:
    """Begin to start workers of this machine, at most ``n_worker``, before the number needed is known.

    Each GPU has one, else one is begun; none where an option is invalid, which ``connect`` raises.
    """
    with ExitStack() as opened:
        start = None
        with suppress(InputError, MissingExtraError):
            if options.kind in _LOCAL:
                start = opened.enter_context(begin_local(options, first_only=n_worker > 1))
        yield Early(start)


@contextmanager
def _connected(options: ClusterOptions, start: Start | None = None) -> Iterator[ConnectedWorkers]:
    with ExitStack() as opened:
        # Dask is to compute afterwards as it did before, which a client that ends too early does not see to.
        opened.enter_context(dask.config.set(scheduler=dask.config.get("scheduler", None)))
        if options.kind in _LOCAL:
            start = start or opened.enter_context(begin_local(options))
            client = opened.enter_context(start.workers(options.n_worker))
        else:
            connection = {"slurm": start_slurm, "current": use_current}.get(options.kind, connect_running)
            client = opened.enter_context(connection(options))
        credentials = opened.enter_context(kept_credentials(client.security, options))
        check_workers(client, options)
        address = client.scheduler_info(n_workers=0)["address"]
        if options.is_started and not options.is_encrypted:
            note_open(address)
        if credentials is not None:
            logger.info("scheduler %s, credentials %s", address, credentials)
        if options.dashboard:
            warn_of_dashboard(client)
        yield _describe(client, options, credentials)


def resolve(options: ClusterOptions) -> ClusterOptions:
    """Resolve the default: the current client, else the cores or the GPUs of this machine.

    With one GPU, a single local process uses it, without dask-cuda. A ``DeviceError`` if a GPU is lacking, an
    ``OptionError`` if workers of this machine are to listen on an interface that it lacks.
    """
    resolved = _without_default(options)
    if resolved.kind in _LOCAL and resolved.interface is not None:
        check_interface(resolved.interface, f"give one of {interfaces_here()}.")
    return resolved


def _without_default(options: ClusterOptions) -> ClusterOptions:
    if options.kind == "local-cuda":
        return replace(options, device="cuda")
    if options.kind != "default":
        return options
    if options.n_worker != 0 and current_client() is not None:
        return replace(options, cluster="current")
    is_on_gpus = options.n_worker != 0 and options.device == "cuda"
    several = is_on_gpus and (VISIBLE in options.options or count_local_gpus(options) > 1)
    return replace(options, cluster="local-cuda" if several else "local")


class ExpectedWorkers(NamedTuple):
    """Expected workers, before they are there; None where a value is not known yet."""

    n_worker: int  # 0 where none are wanted: the rest is of this process
    memory: int | None  # of each [byte], however many there are; None where they share a machine
    n_thread: int  # Dask's, of each: on a CPU each solves a tile
    n_core: int | None  # threads of each that read and write
    gpu_memory: int | None  # of the GPU of each [byte]


def expect_workers(options: ClusterOptions) -> ExpectedWorkers:
    """Predict the number of workers and the resources of each; raises as :func:`connect` does."""
    if options.kind == "slurm":
        request = JobRequest(options)
        n_core = max(1, request.cores // request.processes)
        return ExpectedWorkers(request.n_worker, request.memory // request.processes, n_core, n_core, None)
    memory = None if options.worker_memory is None else int(parse_bytes(options.worker_memory))
    if options.kind not in _LOCAL and options.n_worker != 0:
        return ExpectedWorkers(options.n_worker or CPU_COUNT, memory, 1, None, None)
    if options.n_worker == 0:
        n_worker, n_thread, n_core = 0, CPU_COUNT, max(CPU_COUNT, own_cores().number)
    else:
        n_worker, n_thread = count_local(options), int(options.options.get("threads_per_worker") or 1)
        n_core = max(n_thread, own_cores().number // n_worker)
    has_gpu = options.device == "cuda" and device_get_count()
    return ExpectedWorkers(
        n_worker, memory, n_thread, n_core, one_time()["memory-total"] if has_gpu else None
    )


def expected_memory(options: ClusterOptions, n_worker: int) -> int | None:
    """Return the memory of each worker [byte], or of this process if there are none; None if unknown."""
    if options.kind in _LOCAL and options.worker_memory is None:
        return MEMORY_LIMIT // max(1, n_worker)
    return expect_workers(options).memory


def _describe(client: Client, options: ClusterOptions, credentials: Path | None) -> ConnectedWorkers:
    workers = client.scheduler_info(n_workers=-1)["workers"]
    limits = [worker["memory_limit"] for worker in workers.values()]
    started = client.cluster.worker_spec if isinstance(client.cluster, LocalCluster) else {}
    n_worker = max(len(workers), len(started))  # one that has just died will be replaced
    if not limits and n_worker:
        limits = [expected_memory(options, n_worker) or 0]
    return ConnectedWorkers(
        client, n_worker, min(filter(None, limits), default=None), credentials, options.device
    )


def check_workers(client: Client, options: ClusterOptions) -> None:
    """Check that workers have the software of this process (``InputError``), and GPUs of their own."""
    found: Any = client.get_versions(packages=list(MUST_AGREE))
    check_versions(found["client"], {"scheduler": found["scheduler"], **found["workers"]})
    records = ask_workers(client, options.device) if options.device == "cuda" else []
    if not options.share_gpu:
        check_gpus_are_not_shared(records)


def check_versions(ours: Mapping[str, Any], theirs: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that the versions that ``Client.get_versions`` reports are those of this process."""
    wanted = versions_that_must_agree(ours["packages"])
    wrong = []
    for name, answer in theirs.items():
        if other := say_differences(versions_that_must_agree(answer["packages"]), wanted):
            host = answer["host"].get("node", "its host")
            who = name if name == "scheduler" else f"worker {name} on {host}"
            wrong.append(f"{who} has {other}")
    if wrong:
        raise InputError(
            f"found other software on {len(wrong)} of {len(theirs)} processes of the cluster: "
            f"{'; '.join(wrong)}. Start them in the same environment as this process."
        )


def check_gpus_are_not_shared(records: Sequence[Record]) -> None:
    """Check that no two workers use one GPU, compared by UUID, as numbers and host names may differ."""
    listed = []
    for uuid, theirs in sharing(records).items():
        users = (
            f"{record['worker']} on {record['host']} (pid {record['pid']}, "
            f"CUDA_VISIBLE_DEVICES={record['cuda_visible_devices']})"
            for record in sorted(theirs, key=lambda record: str(record["worker"]))
        )
        listed.append(f"{theirs[0]['gpu_name']} {uuid} by workers {', '.join(users)}")
    if listed:
        raise DeviceError(
            f"found a GPU that several workers share: {'; '.join(listed)}. Start one worker for each GPU "
            "(--cluster local-cuda does it on this machine, one job for each GPU does it under Slurm), or "
            "say --share-gpu."
        )
