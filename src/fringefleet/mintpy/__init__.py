"""MintPy's step ``invert_network``: its projects, templates and products."""

from typing import TYPE_CHECKING

from fringefleet.importing import names_in

if TYPE_CHECKING:
    from fringefleet.mintpy.step import Inverted as Inverted
    from fringefleet.mintpy.step import run_network_inversion as run_network_inversion

__getattr__, __dir__ = names_in(__name__, dict.fromkeys(("Inverted", "run_network_inversion"), "step"))
