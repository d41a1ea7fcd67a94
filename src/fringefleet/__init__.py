"""Invert networks of InSAR interferograms into displacement time series, on one core or many GPUs."""

from importlib.metadata import version

from fringefleet.block import Options as Options
from fringefleet.io import convert_stack as convert_stack
from fringefleet.io import open_stack as open_stack
from fringefleet.pipeline import Run as Run
from fringefleet.pipeline import invert as invert
from fringefleet.pipeline import run as run
from fringefleet.prepare import Setting as Setting
from fringefleet.status import Status as Status

__version__ = version("fringefleet")
