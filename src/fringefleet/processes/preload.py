"""Names of the Dask preload modules, and the keys of Dask's configuration that parametrise them."""

from collections.abc import Mapping
from typing import Any

HTTP_OFF = "fringefleet.processes.http_off"
WARM_UP = "fringefleet.execution.warm_up"
DEVICE = "fringefleet.device"  # device that tiles will be solved on
OPTIONS = "fringefleet.options"  # as returned by :func:`options_of_code`
_OF_CODE = ("solver", "dtype", "norm", "std", "covariance", "diagnose", "dem_error")  # select other code
FAILURES_ARE_SAID = "fringefleet.failures-are-said"  # reported by the program, so the worker need not


def options_of_code(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given options that select the code a worker warms up."""
    return {name: said[name] for name in _OF_CODE if said[name]}
