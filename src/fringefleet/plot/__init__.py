"""Pictures of a result: maps, time series, error against a known truth, the network of pairs; and a viewer.

The only part that needs Matplotlib. Files are drawn without a display and without pyplot; the functions that
draw into axes make a figure of pyplot if none are given. Maps are decimated to at most 1000 pixels per side
before they are read, so that a picture of a scene of any size takes little memory.
"""

from typing import Any

import lazy_loader

from fringefleet.errors import MissingExtraError

_find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


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
