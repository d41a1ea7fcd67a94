from .network import plot_network as plot_network
from .page import write_page as write_page
from .pictures import draw_pictures as draw_pictures
from .result import plot_error as plot_error
from .result import plot_maps as plot_maps
from .result import plot_series as plot_series
from .result import plot_velocity as plot_velocity
from .viewer import view_result as view_result

__all__ = [
    "draw_pictures",
    "plot_error",
    "plot_maps",
    "plot_network",
    "plot_series",
    "plot_velocity",
    "view_result",
    "write_page",
]
