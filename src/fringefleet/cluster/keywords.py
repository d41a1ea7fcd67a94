"""Keywords of the libraries that a file may have: data only. Whatever is not known to be that is refused.

Python callers may pass any. Beside those here the libraries take keywords that load code or write files, in
this process or in a worker: ``scheduler_cls``, ``worker_class``, ``plugins``, ``preload`` and so on.
"""

import difflib
from collections.abc import Mapping, Set
from typing import Any

from fringefleet.errors import OptionError

# distributed.LocalCluster, and what it hands on to each worker
LOCAL = {
    "dashboard_address",
    "death_timeout",
    "heartbeat_interval",
    "host",
    "lifetime",
    "lifetime_restart",
    "lifetime_stagger",
    "local_directory",
    "name",
    "processes",
    "protocol",
    "resources",
    "scheduler_kwargs",
    "scheduler_port",
    "scheduler_sync_interval",
    "silence_logs",
    "threads_per_worker",
    "worker_dashboard_address",
}
# dask_cuda.LocalCUDACluster
LOCAL_CUDA = LOCAL | {
    "CUDA_VISIBLE_DEVICES",
    "device_memory_limit",
    "enable_infiniband",
    "enable_nvlink",
    "enable_rdmacm",
    "enable_tcp_over_ucx",
    "log_spilling",
    "rmm_async",
    "rmm_log_directory",
    "rmm_managed_memory",
    "rmm_maximum_pool_size",
    "rmm_pool_size",
    "rmm_release_threshold",
    "rmm_track_allocations",
}
# dask_jobqueue.SLURMCluster, and our own; what the job runs is shell, and runs in the job
SLURM = {
    "account",
    "config_name",
    "cores",
    "death_timeout",
    "job_cpu",
    "job_directives_skip",
    "job_extra_directives",
    "job_mem",
    "job_name",
    "job_script_prologue",
    "local_directory",
    "log_directory",
    "memory",
    "modules",
    "most_failed_starts",
    "most_replacements",
    "nanny",
    "poll_seconds",
    "processes",
    "python",
    "queue",
    "scheduler_options",
    "shebang",
    "walltime",
    "worker_command",
    "worker_extra_args",
}
OF_KIND = {"local": LOCAL, "local-cuda": LOCAL_CUDA, "slurm": SLURM}
# distributed.Scheduler
SCHEDULER = {
    "allowed_failures",
    "contact_address",
    "dashboard",
    "dashboard_address",
    "host",
    "idle_timeout",
    "interface",
    "port",
    "protocol",
    "worker_ttl",
}
TABLES = {"scheduler_kwargs": SCHEDULER, "scheduler_options": SCHEDULER, "resources": None}  # None: any name


def refuse_all_but_data(options: Mapping[str, Any], cluster: Any, where: str) -> None:
    """Refuse keywords from a file that are not known to be data.

    Parameters
    ----------
    options
        As the file has them.
    cluster
        Which cluster the file names; the keywords of all are allowed if it leaves that to others.
    where
        What to call the table.

    Raises
    ------
    OptionError
        Names the keyword, and those that there may be.
    """
    known = OF_KIND.get(str(cluster), set().union(*OF_KIND.values()))
    for name, value in options.items():
        _refuse_unknown(name, known, where)
        if isinstance(value, Mapping) and name in TABLES:
            within = TABLES[name]
            for key, item in value.items():
                if within is not None:
                    _refuse_unknown(key, within, f"{name} in {where}")
                _refuse_nested(f"{name}.{key}", item, where)
        else:
            _refuse_nested(name, value, where)


def _refuse_unknown(name: str, known: Set[str], where: str) -> None:
    if name in known:
        return
    by_lower = {word.lower(): word for word in sorted(known)}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    hint = f" Did you mean {by_lower[near[0]]}?" if near else ""
    raise OptionError(
        f"found {name} in {where}; a file may only have keywords that are known to be data: "
        f"{', '.join(sorted(known))}.{hint} Others may load code; start the cluster from Python to use them."
    )


def _refuse_nested(name: str, value: Any, where: str) -> None:
    """Refuse tables where none is expected: what would become of them is not known."""
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, list | Mapping) for item in items):
        raise OptionError(f"found {name} = {value!r} in {where}; give one value, or a list of them.")
