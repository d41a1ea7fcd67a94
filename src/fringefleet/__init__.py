"""Invert networks of InSAR interferograms into displacement time series, on one core or many GPUs."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    """Import a public name from its module (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *_HOMES})
