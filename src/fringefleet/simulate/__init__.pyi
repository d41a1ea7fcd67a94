from .config import Scene as Scene
from .store import simulate_dataset as simulate_dataset
from .store import simulate_stack as simulate_stack
from .store import true_dem_error as true_dem_error
from .store import truth_path as truth_path

__all__ = [
    "Scene",
    "simulate_dataset",
    "simulate_stack",
    "true_dem_error",
    "truth_path",
]
