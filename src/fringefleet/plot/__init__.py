"""Pictures of a result: maps, time series, error against a known truth, the network of pairs; and a viewer.

The only part that needs Matplotlib. Figures are drawn without a display and do not change Matplotlib's
global state. Maps are decimated to at most 1000 pixels per side before they are read, so that a picture of a
scene of any size takes little memory.
"""

from typing import TYPE_CHECKING, Any

from fringefleet.errors import MissingExtraError
from fringefleet.importing import names_in

if TYPE_CHECKING:
    from fringefleet.plot.network import plot_network as plot_network
    from fringefleet.plot.pictures import draw_pictures as draw_pictures
    from fringefleet.plot.result import plot_error as plot_error
    from fringefleet.plot.result import plot_maps as plot_maps
    from fringefleet.plot.result import plot_series as plot_series
    from fringefleet.plot.result import plot_velocity as plot_velocity
    from fringefleet.plot.viewer import view_result as view_result

_HOMES = {
    "draw_pictures": "pictures",
    "plot_error": "result",
    "plot_maps": "result",
    "plot_network": "network",
    "plot_series": "result",
    "plot_velocity": "result",
    "view_result": "viewer",
}
_find, __dir__ = names_in(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    try:
        return _find(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise MissingExtraError(
            "Matplotlib is not installed, but every plot needs it. "
            'Install it with: pip install "fringefleet[plot]"'
        ) from error
