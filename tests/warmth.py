"""Whether a process is ready for its first tile; a module that workers can import."""

import sys

SOLVES = "fringefleet.engine.block"


def is_warm() -> bool:
    return SOLVES in sys.modules
