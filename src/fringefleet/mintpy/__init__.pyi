from .step import Inverted as Inverted
from .step import run_network_inversion as run_network_inversion

__all__ = [
    "Inverted",
    "run_network_inversion",
]
