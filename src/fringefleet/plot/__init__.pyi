from .histogram_axes import histogram as histogram
from .map_axes import map as map  # noqa: A004 - plot.map
from .matrix_axes import matrix as matrix
from .network_axes import network as network
from .options import PictureChoice as PictureChoice
from .page import write_page as write_page
from .pictures import draw_pictures as draw_pictures
from .series_axes import series as series
from .viewer import view_result as view_result

__all__ = [
    "PictureChoice",
    "draw_pictures",
    "histogram",
    "map",
    "matrix",
    "network",
    "series",
    "view_result",
    "write_page",
]
