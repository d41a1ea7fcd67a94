"""Invert networks of InSAR interferograms into displacement time series, on one core or many GPUs."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from fringefleet.importing import names_in

if TYPE_CHECKING:
    from fringefleet.cluster.connection import connect as connect
    from fringefleet.execution.job import Run as Run
    from fringefleet.execution.setting import Setting as Setting
    from fringefleet.io import convert_stack as convert_stack
    from fringefleet.io import open_stack as open_stack
    from fringefleet.lazy import invert as invert
    from fringefleet.options import Options as Options
    from fringefleet.pipeline import run as run
    from fringefleet.status import Status as Status

__version__ = version("fringefleet")

# Imported when first used: torch takes two seconds, and `fringefleet --help` does not need it.
_HOMES = {
    "Options": "options",
    "Run": "execution.job",
    "Setting": "execution.setting",
    "Status": "status",
    "connect": "cluster",
    "convert_stack": "io",
    "invert": "lazy",
    "open_stack": "io",
    "run": "pipeline",
}

__getattr__, __dir__ = names_in(__name__, _HOMES)
