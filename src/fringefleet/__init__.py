"""Invert networks of InSAR interferograms into displacement time series, on one core or many GPUs."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from fringefleet.importing import names_in

if TYPE_CHECKING:
    from fringefleet.cluster.workers import connect as connect
    from fringefleet.inversion import invert as invert
    from fringefleet.io import convert_stack as convert_stack
    from fringefleet.io import open_stack as open_stack
    from fringefleet.options import Options as Options
    from fringefleet.pipeline import Run as Run
    from fringefleet.pipeline import run as run
    from fringefleet.prepare import Setting as Setting
    from fringefleet.status import Status as Status

__version__ = version("fringefleet")

# Imported when first used: torch takes two seconds, and `fringefleet --help` needs none of it.
_HOMES = {
    "Options": "options",
    "Run": "pipeline",
    "Setting": "prepare",
    "Status": "status",
    "connect": "cluster",
    "convert_stack": "io",
    "invert": "inversion",
    "open_stack": "io",
    "run": "pipeline",
}

__getattr__, __dir__ = names_in(__name__, _HOMES)
