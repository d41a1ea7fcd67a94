"""Workers under Slurm: jobs are submitted through dask-jobqueue, monitored, and cancelled at the end."""

import logging
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import dask
from distributed import Client

from fringefleet.cluster.exposure import http_settings
from fringefleet.cluster.local import SETTINGS
from fringefleet.cluster.options import ClusterOptions
from fringefleet.cluster.security import security_in, temporary_security, write_pem
from fringefleet.cluster.slurm.janitor import cancel_on_exit
from fringefleet.cluster.slurm.request import JobPlan
from fringefleet.cluster.slurm.script import JOB_NAME, plan_jobs, settings
from fringefleet.cluster.waiting import ended
from fringefleet.errors import InputError, WorkersLostError
from fringefleet.io.store.owned import owned_folder
from fringefleet.processes.interfaces import check_interface, usable_interfaces

logger = logging.getLogger(__name__)

# Jobs that are gone are replaced by us, so the cluster's own and partial way of noticing is put off for ever.
_SLURM_SETTINGS = {"distributed.deploy.lost-worker-timeout": "1000 days"}


@contextmanager
def start_slurm(options: ClusterOptions) -> Iterator[Client]:
    """Submit jobs, wait for the first worker, and cancel all jobs at the end, however this process ends.

    Lost jobs are replaced, a limited number of times. Raises an ``InputError`` if there is no Slurm, no such
    interface, or no worker in time; a ``WorkersLostError`` if none is left and no more jobs are submitted.
    """
    name = f"{options.options.get('job_name') or JOB_NAME}-{secrets.token_hex(4)}"
    plan = plan_jobs(options, name)
    from fringefleet.cluster.slurm.monitor import JobMonitor, RecordingCluster  # noqa: PLC0415 - optional

    _check_machine(plan)
    security, keys = temporary_security(options), None
    with ExitStack() as opened:
        if security is not None:  # where the jobs can read it, and only this user
            keys = opened.enter_context(owned_folder(plan.log_folder, "tls-"))
            security = security_in(write_pem(security, keys))
        of_dask = SETTINGS | _SLURM_SETTINGS | settings(plan) | http_settings(options)
        opened.enter_context(dask.config.set(of_dask))
        keywords = plan.cluster | plan.job | {"security": security, "silence_logs": logging.ERROR}
        cluster: Any = RecordingCluster(**keywords)
        client = Client(cluster)
        # At last nobody looks after the jobs any more, then they are cancelled, then the cluster is stopped.
        opened.enter_context(ended(lambda: (client.close(), cluster.close())))
        opened.enter_context(client.as_current())
        opened.enter_context(cancel_on_exit(name, keys))
        monitor = opened.enter_context(JobMonitor(client, plan, name))
        cluster.scale(jobs=plan.n_job)
        logger.info("submitting %d job%s %s", plan.n_job, "s" * (plan.n_job != 1), name)
        try:
            monitor.wait_for_worker(options.wait_seconds)
            yield client
        except Exception as error:
            if monitor.failure is not None:
                raise WorkersLostError(monitor.failure) from error
            raise


def _check_machine(plan: JobPlan) -> None:
    """Check that Slurm, the scheduler's interface and a folder for logs are available."""
    if missing := [program for program in ("sbatch", "squeue", "scancel") if not shutil.which(program)]:
        raise InputError(
            f"found no {', '.join(missing)} on this machine; start from a login node, or choose --cluster "
            "local."
        )
    scheduler = plan.cluster["scheduler_options"]
    interface = scheduler.get("interface", None if "host" in scheduler else plan.cluster["interface"])
    if interface is not None:
        check_interface(
            interface,
            f"give one by which the nodes can reach it: {usable_interfaces()}. Where it is called otherwise "
            "than theirs, give it as interface in scheduler_options.",
        )
    try:
        plan.log_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder for logs {plan.log_folder} cannot be made: {error.strerror}."
        ) from error
