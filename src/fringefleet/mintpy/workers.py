"""MintPy's options for workers and memory, translated to ours.

The default is one process for each core, the GPUs of this machine where they are requested, or threads of
this process for little work (:mod:`fringefleet.execution.effort`). The only job queue is Slurm.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from dask.system import CPU_COUNT
from dask.utils import parse_bytes
from distributed.system import MEMORY_LIMIT

from fringefleet.arguments.needs import COMMANDS, check_needs
from fringefleet.cluster.config import read_cluster_config
from fringefleet.cluster.connection import resolve
from fringefleet.cluster.options import ClusterOptions, cluster_options
from fringefleet.errors import OptionError
from fringefleet.mintpy.template import TemplateOptions
from fringefleet.mintpy.template_values import JOB_QUEUES, cluster, worker_count
from fringefleet.option_words import option
from fringefleet.options import Options
from fringefleet.session.cluster_wish import without_idle

logger = logging.getLogger(__name__)

_NEEDS = COMMANDS["mintpy"]
_GIGABYTE = 1024**3  # MintPy's
_LOCAL, _QUEUE = "local", "slurm"  # the one job queue that there is
_OURS = ("interface", "tls", "wait_seconds", "tls_credentials", "dashboard")  # fields of a ClusterOptions


def choose_workers(said: Mapping[str, Any], template: TemplateOptions, options: Options) -> ClusterOptions:
    """Choose workers by the arguments, else the file of ``cluster_config``, else the template.

    A template that computes on this machine, as MintPy's does by default, requests no workers. Raises an
    ``InputError`` for a word or a file without meaning, or an unknown job queue.
    """
    path = Path(said["cluster_config"]) if "cluster_config" in said else None
    of_file = {} if path is None else read_cluster_config(path)
    where = _where(said, of_file, template)
    names, place = ("num_worker", "config"), {"cluster": where, "device": options.device}
    check_needs({name: said.get(name) or None for name in names} | place, dict.fromkeys(names), _NEEDS)
    given = {name: said[name] for name in _OURS if name in said} | place
    of_file = without_idle(of_file, given, path) if path else of_file
    wanted = of_file | given
    if where == _QUEUE:
        wanted |= _jobs(said, of_file, template)
    elif section := template.config_name:
        logger.info("not used: %s = %s, a section for job queues", template.keys["config_name"], section)
    if where == _LOCAL:
        wanted |= _processes(said, of_file, template, options)
    return cluster_options(**wanted)


def _where(said: Mapping[str, Any], of_file: Mapping[str, Any], template: TemplateOptions) -> str:
    given = said.get("cluster")
    if not given and "cluster" in of_file:
        return str(of_file["cluster"])
    where = cluster(option("cluster"), given) if given else template.cluster or _LOCAL
    if where not in JOB_QUEUES or where == _QUEUE:
        return where
    only = f"of the job queues there is {_QUEUE} only"
    if given:
        raise OptionError(
            f"found {option('cluster', given)}; {only}. Start a Dask scheduler and workers in jobs and give "
            "its address such as tcp://host:8786, or leave it out to compute here."
        )
    logger.info("%s = %s: %s; computing on this machine", template.keys["cluster"], where, only)
    return _LOCAL


def _jobs(said: Mapping[str, Any], of_file: Mapping[str, Any], template: TemplateOptions) -> dict[str, Any]:
    """Return the number of workers in jobs, and the section of Dask's configuration that describes them."""
    count = _count(said.get("num_worker")) or of_file.get("n_worker") or template.n_worker
    if count is not None and not str(count).isdigit():
        raise OptionError(f"found {count} workers of {_QUEUE}; give a number of them.")
    asked = dict(of_file.get("options", {}))
    if section := said.get("config") or ("config_name" not in asked and template.config_name):
        asked["config_name"] = section
    return {"n_worker": None if count is None else int(count), "options": asked}


def _count(given: int | str | None) -> str | None:
    """Parse a number of workers that was given; None if it is left open."""
    return worker_count(option("num_worker"), str(given)) if given not in (None, "") else None


def _processes(
    said: Mapping[str, Any], of_file: Mapping[str, Any], template: TemplateOptions, options: Options
) -> dict[str, Any]:
    """Return how many processes of this machine are requested, if any are."""
    given = said.get("num_worker", of_file.get("n_worker"))
    if str(given) == "0":
        return {"n_worker": 0}
    # The template counts CPU processes, which would share one GPU.
    text = _count(given) if given or options.device == "cuda" else template.n_worker
    if given is None and text is None:
        is_named = str(said.get("cluster")).lower() == _LOCAL and options.device == "cpu"
        return {"cluster": _LOCAL if is_named else of_file.get("cluster")}
    if text is None or text == "all":
        return {"n_worker": CPU_COUNT}
    if text.endswith("%"):
        return {"n_worker": max(1, CPU_COUNT * int(text[:-1]) // 100)}
    if int(text) > CPU_COUNT:
        logger.info("found %s workers for %d cores; taking one for each core", text, CPU_COUNT)
    return {"n_worker": min(int(text), CPU_COUNT)}


def limit_memory(given: float | None, template: TemplateOptions, workers: ClusterOptions) -> int | None:
    """Compute the memory of all local processes together [byte]; None where something else limits it.

    Raises an ``OptionError`` if ``ram`` is no positive number, or has no effect.
    """
    if given is not None and not 0 < given < np.inf:
        raise OptionError(f"found {option('ram', given)}; give gigabytes above 0.")
    kind = resolve(workers).kind if workers.device == "cpu" else workers.kind
    said = {"ram": given, "cluster": kind, "device": workers.device, "num_worker": workers.n_worker}
    check_needs(said, {"ram": None}, _NEEDS)
    if kind != _LOCAL:
        return None
    # Dask gives every process the share of one core, if it is not told otherwise; this one has all of it.
    each = parse_bytes(workers.worker_memory or MEMORY_LIMIT // CPU_COUNT)
    of_machine = (workers.n_worker or CPU_COUNT) * each
    wanted = given or template.memory
    return of_machine if wanted is None else min(of_machine, int(wanted * _GIGABYTE))
