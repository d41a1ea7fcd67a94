"""All checks of a machine, in the order in which they are shown."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

from fringefleet.doctor.disk import examine_current_folder, examine_temporary_folder
from fringefleet.doctor.finding import Finding, note
from fringefleet.doctor.gpus import examine_dask_cuda, examine_gpus, examine_torch
from fringefleet.doctor.machine import examine_cores, examine_limits, examine_login_node, examine_memory
from fringefleet.doctor.network import examine_interfaces, examine_loopback
from fringefleet.doctor.slurm import examine_slurm
from fringefleet.doctor.software import examine_code_folder, examine_compiler, examine_gdal, examine_versions
from fringefleet.doctor.worker import examine_worker

logger = logging.getLogger(__name__)

Check = Callable[[], Iterator[Finding]]
CHECKS: dict[str, tuple[Check, ...]] = {
    "Software": (examine_versions, examine_gdal, examine_compiler, examine_code_folder),
    "GPUs": (examine_gpus, examine_torch, examine_dask_cuda),
    "Machine": (examine_cores, examine_memory, examine_limits, examine_login_node),
    "Disks": (examine_current_folder, examine_temporary_folder),
    "Network": (examine_interfaces, examine_loopback),
    "Slurm": (examine_slurm,),
    "Workers": (examine_worker,),
}


def examine() -> Iterator[Finding]:
    """Examine this machine and its software, and start a worker, which is stopped again.

    A check that fails itself is a finding, too.
    """
    for subject, checks in CHECKS.items():
        for check in checks:
            logger.debug("%s: %s", subject, check.__name__)
            try:
                for finding in check():
                    yield replace(finding, subject=subject)
            except Exception as error:
                logger.debug("%s failed", check.__name__, exc_info=error)
                text = f"not known: {type(error).__name__}: {error}"
                name = check.__name__.removeprefix("examine_").replace("_", " ")
                yield replace(note(name, text, "Repeat with --verbose, and report it."), subject=subject)
