"""MintPy's words for workers and memory, and what they mean here.

MintPy computes in one process unless it is told of a cluster; here it is one process for each core, as
nothing has to be set up for that, or the GPUs of this machine where those are asked for. Of its job queues
there is slurm; pbs and lsf are not.
"""

import logging

import numpy as np
from dask.system import CPU_COUNT
from distributed.system import MEMORY_LIMIT

from fringefleet.cluster import ClusterOptions
from fringefleet.errors import OptionError
from fringefleet.io.template import TemplateOptions
from fringefleet.io.template_words import JOB_QUEUES, cluster, worker_count
from fringefleet.options import Options

logger = logging.getLogger(__name__)

GIGABYTE = 1024**3  # MintPy's
QUEUE = "slurm"  # the one that there is


def choose_workers(
    given: str | None, n_given: str | None, template: TemplateOptions, options: Options
) -> ClusterOptions:
    """Choose where to compute and with how many processes; the command line comes before the template.

    Raises
    ------
    OptionError
        A word that means nothing, or a job queue on the command line that there is not.
    """
    where = cluster("--cluster", given) if given else template.cluster or "local"
    if given and where in JOB_QUEUES and where != QUEUE:
        raise OptionError(
            f"found --cluster {given}; of the job queues there is {QUEUE} only. Start a Dask scheduler and "
            "workers in jobs and give its address such as tcp://host:8786, or leave it out to compute here."
        )
    if "://" in where:
        if n_given:
            logger.warning("--num-worker has no effect on a cluster that is running")
        return ClusterOptions(where)
    if where == QUEUE:
        return ClusterOptions(QUEUE, _count_jobs(n_given, template))
    if where in JOB_QUEUES:
        logger.info(
            "%s = %s: of the job queues there is %s only; computing on this machine",
            template.keys["cluster"],
            where,
            QUEUE,
        )
    if options.device == "cuda" and n_given is None:
        return ClusterOptions(device="cuda")  # the template counts CPU processes, which would share one GPU
    return ClusterOptions("local", _count(n_given or template.n_worker), device=options.device)


def _count_jobs(given: str | None, template: TemplateOptions) -> int | None:
    text = worker_count("--num-worker", given) if given else template.n_worker
    if text is not None and not text.isdigit():
        raise OptionError(f"found {text} workers of {QUEUE}; give a number of them.")
    return None if text is None else int(text)


def _count(given: str | None) -> int:
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
        No positive number.
    """
    if given is not None and not 0 < given < np.inf:
        raise OptionError(f"found --ram {given}; give gigabytes above 0.")
    if workers.kind != "local" or workers.n_worker is None:
        if given is not None:
            logger.warning("--ram has an effect on CPU processes of this machine only")
        return None
    # Dask gives every process the share of one core.
    of_machine = workers.n_worker * (MEMORY_LIMIT // CPU_COUNT)
    wanted = given or template.memory
    return of_machine if wanted is None else min(of_machine, int(wanted * GIGABYTE))
