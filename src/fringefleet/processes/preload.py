"""Preload modules of Dask by name, and the keys of Dask's configuration by which they are told what to do."""

HTTP_OFF = "fringefleet.processes.http_off"
WARM_UP = "fringefleet.execution.warm_up"
DEVICE = "fringefleet.device"  # what tiles are to be solved on
OPTIONS = "fringefleet.options"  # those of OF_CODE that are not as by default
OF_CODE = ("solver", "dtype", "norm", "std", "covariance", "diagnose", "dem_error")  # that need other code
FAILURES_ARE_SAID = "fringefleet.failures-are-said"  # by the program, so the worker need not
