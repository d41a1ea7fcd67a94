from . import cluster as cluster
from . import errors as errors
from . import mintpy as mintpy
from . import plot as plot
from . import simulate as simulate
from .cluster.connection import connect as connect
from .execution.job import FailurePolicy as FailurePolicy
from .execution.job import Run as Run
from .execution.rereference import rereference as rereference
from .execution.selection import Selection as Selection
from .execution.setting import Setting as Setting
from .execution.summary import Summary as Summary
from .execution.velocity_job import FitOptions as FitOptions
from .execution.velocity_job import VelocityRun as VelocityRun
from .io import convert_stack as convert_stack
from .io import export_result as export_result
from .io import mask_result as mask_result
from .io import open_stack as open_stack
from .lazy import invert as invert
from .options import Options as Options
from .pipeline import run as run
from .solver.time_functions import TimeFunctions as TimeFunctions
from .status import Status as Status
from .velocity_maps import run_velocity as run_velocity
from .velocity_maps import velocity as velocity

__version__: str

__all__ = [
    "FailurePolicy",
    "FitOptions",
    "Options",
    "Run",
    "Selection",
    "Setting",
    "Status",
    "Summary",
    "TimeFunctions",
    "VelocityRun",
    "__version__",
    "cluster",
    "connect",
    "convert_stack",
    "errors",
    "export_result",
    "invert",
    "mask_result",
    "mintpy",
    "open_stack",
    "plot",
    "rereference",
    "run",
    "run_velocity",
    "simulate",
    "velocity",
]
