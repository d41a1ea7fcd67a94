"""Invert networks of InSAR interferograms into displacement time series, on one core or many GPUs."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from fringefleet.importing import names_in

if TYPE_CHECKING:
    from fringefleet.cluster.connection import connect as connect
    from fringefleet.execution.job import Run as Run
    from fringefleet.execution.rereference import rereference as rereference
    from fringefleet.execution.selection import Selection as Selection
    from fringefleet.execution.setting import Setting as Setting
    from fringefleet.execution.velocity_job import FitOptions as FitOptions
    from fringefleet.execution.velocity_job import VelocityRun as VelocityRun
    from fringefleet.io import convert_stack as convert_stack
    from fringefleet.io import export_result as export_result
    from fringefleet.io import mask_result as mask_result
    from fringefleet.io import open_stack as open_stack
    from fringefleet.lazy import invert as invert
    from fringefleet.options import Options as Options
    from fringefleet.pipeline import run as run
    from fringefleet.solver.time_functions import TimeFunctions as TimeFunctions
    from fringefleet.status import Status as Status
    from fringefleet.velocity_maps import run_velocity as run_velocity
    from fringefleet.velocity_maps import velocity as velocity

__version__ = version("fringefleet")

# Imported when first used: torch takes two seconds, and `fringefleet --help` does not need it.
_HOMES = {
    "FitOptions": "execution.velocity_job",
    "Options": "options",
    "Run": "execution.job",
    "Selection": "execution.selection",
    "Setting": "execution.setting",
    "Status": "status",
    "TimeFunctions": "solver.time_functions",
    "VelocityRun": "execution.velocity_job",
    "connect": "cluster.connection",
    "convert_stack": "io",
    "export_result": "io",
    "invert": "lazy",
    "mask_result": "io",
    "open_stack": "io",
    "rereference": "execution.rereference",
    "run": "pipeline",
    "run_velocity": "velocity_maps",
    "velocity": "velocity_maps",
}

__getattr__, __dir__ = names_in(__name__, _HOMES)
