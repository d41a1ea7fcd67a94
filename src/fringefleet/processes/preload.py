"""Preload modules of Dask by name, and the keys of Dask's configuration by which they are told what to do."""

from collections.abc import Mapping
from typing import Any

HTTP_OFF = "fringefleet.processes.http_off"
WARM_UP = "fringefleet.execution.warm_up"
DEVICE = "fringefleet.device"  # what tiles are to be solved on
OPTIONS = "fringefleet.options"  # as :func:`options_of_code` gives them
_OF_CODE = ("solver", "dtype", "norm", "std", "covariance", "diagnose", "dem_error")  # that need other code
FAILURES_ARE_SAID = "fringefleet.failures-are-said"  # by the program, so the worker need not


def options_of_code(said: Mapping[str, Any]) -> dict[str, Any]:
    """Take the options for which a worker warms up other code, of those that are given."""
    return {name: said[name] for name in _OF_CODE if said[name]}
