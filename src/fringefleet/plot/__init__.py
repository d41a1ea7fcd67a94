"""Pictures of a result: maps, time series, error against a known truth, the network of pairs.

The only part that needs Matplotlib. Figures are drawn without a display and do not change Matplotlib's
global state. Maps are decimated to at most 1000 pixels per side before they are read, so that a picture of a
scene of any size takes little memory.
"""

from fringefleet.errors import MissingExtraError

try:
    from fringefleet.plot.network import plot_network
    from fringefleet.plot.result import plot_error, plot_maps, plot_series
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "matplotlib":
        raise
    raise MissingExtraError(
        "Matplotlib is not installed, but every plot needs it. "
        'Install it with: pip install "fringefleet[plot]"'
    ) from error

__all__ = ["plot_error", "plot_maps", "plot_network", "plot_series"]
