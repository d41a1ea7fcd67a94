"""MintPy's options for workers and memory, translated to ours.

MintPy computes in one process unless it is told of a cluster; here it is one process for each core, as
nothing has to be set up for that, or the GPUs of this machine where those are asked for, or threads of this
process where that is little work (:mod:`fringefleet.execution.effort`). Of its job queues there is slurm; pbs
and lsf are not.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dask.system import CPU_COUNT
from dask.utils import parse_bytes
from distributed.system import MEMORY_LIMIT

from fringefleet.arguments.needs import COMMANDS, check_needs
from fringefleet.cluster import ClusterOptions, cluster_options
from fringefleet.cluster.config import read_cluster_config
from fringefleet.errors import OptionError
from fringefleet.mintpy.template import TemplateOptions
from fringefleet.mintpy.template_values import JOB_QUEUES, NO, cluster, worker_count
from fringefleet.options import Options
from fringefleet.session.cluster_wish import without_idle

logger = logging.getLogger(__name__)

_GIGABYTE = 1024**3  # MintPy's
LOCAL, QUEUE = "local", "slurm"  # the one job queue that there is

_GIVEN = ("interface", "tls", "wait_seconds", "tls_credentials", "dashboard")  # as fields of a ClusterOptions


@dataclass(frozen=True)
class WorkerWish:
    """What the command line says of workers, None where nothing."""

    cluster: str | None = None
    n_worker: str | None = None
    config: str | None = None  # section of Dask's configuration of job queues
    file: Path | None = None  # of --cluster-config
    interface: str | None = None
    tls: bool | None = None
    wait_seconds: float | None = None
    tls_credentials: Path | None = None
    dashboard: bool | None = None


def asks_for_workers(wish: WorkerWish, template: TemplateOptions) -> bool:
    """Whether anything is said of workers but where there are none: by MintPy's words or by ours.

    A template that computes on this machine, which is what MintPy's says by itself, asks for none.
    """
    said = dict(vars(wish))
    if wish.cluster and wish.cluster.lower() in ("auto", *NO):
        del said["cluster"]
    where = template.cluster not in (None, LOCAL)
    return where or template.n_worker is not None or any(value is not None for value in said.values())


def choose_workers(wish: WorkerWish, template: TemplateOptions, options: Options) -> ClusterOptions:
    """Choose where to compute and with how many workers.

    The command line comes before the file of ``--cluster-config``, and that before the template.

    Raises
    ------
    InputError
        One of its children: a word or a file that means nothing, or a job queue on the command line that
        there is not.
    """
    of_file = {} if wish.file is None else read_cluster_config(wish.file)
    where = _where(wish, of_file, template)
    _check_wish(wish, where, options)
    given = {name: value for name in _GIVEN if (value := getattr(wish, name)) is not None}
    given |= {"cluster": where, "device": options.device}
    if wish.file is not None:
        of_file = without_idle(of_file, given, wish.file)
    said = of_file | given
    if where == QUEUE:
        said |= _jobs(wish, of_file, template)
    elif section := _section(wish, template):
        logger.info("not used: %s = %s, a section for job queues", *section)
    if where == LOCAL:
        said |= _processes(wish, of_file, template, options)
    return cluster_options(**said)


def _check_wish(wish: WorkerWish, where: str, options: Options) -> None:
    """Refuse what was given and has no effect on these workers."""
    names = {"num_worker": wish.n_worker or None, "config": wish.config or None}
    check_needs(
        names | {"cluster": where, "device": options.device}, dict.fromkeys(names), COMMANDS["mintpy"]
    )


def _where(wish: WorkerWish, of_file: Mapping[str, Any], template: TemplateOptions) -> str:
    if not wish.cluster and "cluster" in of_file:
        return str(of_file["cluster"])
    where = cluster("--cluster", wish.cluster) if wish.cluster else template.cluster or LOCAL
    if where not in JOB_QUEUES or where == QUEUE:
        return where
    if wish.cluster:
        raise OptionError(
            f"found --cluster {wish.cluster}; of the job queues there is {QUEUE} only. Start a Dask "
            "scheduler and workers in jobs and give its address such as tcp://host:8786, or leave it out to "
            "compute here."
        )
    logger.info(
        "%s = %s: of the job queues there is %s only; computing on this machine",
        template.keys["cluster"],
        where,
        QUEUE,
    )
    return LOCAL


def _jobs(wish: WorkerWish, of_file: Mapping[str, Any], template: TemplateOptions) -> dict[str, Any]:
    """Say how many workers in jobs, and which section of Dask's configuration says what to ask for."""
    n_worker = _number(wish.n_worker) or of_file.get("n_worker") or _number(template.n_worker)
    asked = dict(of_file.get("options", {}))
    if (section := _section(wish, template)) and (wish.config or "config_name" not in asked):
        asked["config_name"] = section[1]
    return {"n_worker": n_worker, "options": asked}


def _section(wish: WorkerWish, template: TemplateOptions) -> tuple[str, str] | None:
    """Find by what a section was asked for, and which."""
    if wish.config:
        return "--config", wish.config
    return (template.keys["config_name"], template.config_name) if template.config_name else None


def _number(given: str | None) -> int | None:
    text = worker_count("--num-worker", given) if given else None
    if text is not None and not text.isdigit():
        raise OptionError(f"found {text} workers of {QUEUE}; give a number of them.")
    return None if text is None else int(text)


def _processes(
    wish: WorkerWish, of_file: Mapping[str, Any], template: TemplateOptions, options: Options
) -> dict[str, Any]:
    """Say how many processes of this machine; or its GPUs, which nobody needs to count."""
    given = wish.n_worker or (str(of_file["n_worker"]) if "n_worker" in of_file else None)
    if options.device == "cuda" and given is None:
        # The template counts CPU processes, which would share one GPU.
        return {"cluster": of_file.get("cluster"), "n_worker": None}
    return {"n_worker": _count(given or template.n_worker)}


def _count(given: str | None) -> int:
    if given == "0":
        return 0
    text = (worker_count("--num-worker", given) if given else None) or "all"
    if text == "all":
        return CPU_COUNT
    if text.endswith("%"):
        return max(1, CPU_COUNT * int(text[:-1]) // 100)
    if int(text) > CPU_COUNT:
        logger.info("found %s workers for %d cores; taking one for each core", text, CPU_COUNT)
    return min(int(text), CPU_COUNT)


def limit_memory(given: float | None, template: TemplateOptions, workers: ClusterOptions) -> int | None:
    """Find how much memory all local processes may take together [byte]; None where others say it.

    Raises
    ------
    OptionError
        No positive number, or one that has no effect.
    """
    if given is not None and not 0 < given < np.inf:
        raise OptionError(f"found --ram {given}; give gigabytes above 0.")
    said = {"ram": given, "cluster": workers.kind, "device": workers.device, "num_worker": workers.n_worker}
    check_needs(said, {"ram": None}, COMMANDS["mintpy"])
    if workers.kind != "local" or workers.n_worker is None:
        return None
    # Dask gives every process the share of one core, if it is not told otherwise; this one has all of it.
    of_machine = (workers.n_worker or CPU_COUNT) * parse_bytes(
        workers.memory_limit or MEMORY_LIMIT // CPU_COUNT
    )
    wanted = given or template.memory
    return of_machine if wanted is None else min(of_machine, int(wanted * _GIGABYTE))
