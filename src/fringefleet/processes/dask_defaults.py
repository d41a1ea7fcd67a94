"""Dask's own defaults, restored in place of the site's configuration.

The site's configuration is made for clusters started by others and for other work: modules to load,
certificates, addresses, lifetimes, an event loop that is not installed here, arrays on a GPU. What can be
set are our options.
"""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import dask

_OF_GRAPHS = ("array", "optimization", "tokenize")  # sections
# Workers sample the stack frames of all threads every 10 ms, which can deadlock a process of Python 3.11
# (python/cpython#106883; Dask exempts its event loops there, but not the tasks).
_MAY_PROFILE = sys.version_info[:2] != (3, 11)
P = ParamSpec("P")
R = TypeVar("R")


def cluster_defaults() -> dict[str, Any]:
    """Compose the settings of a cluster of this machine; the dashboard link remains that of the site."""
    distributed: dict[str, Any] = dask.config.merge(*dask.config.defaults)["distributed"]
    seen = dask.config.get("distributed.dashboard", None)
    if isinstance(seen, dict):
        distributed = distributed | {"dashboard": dask.config.merge(distributed["dashboard"], seen)}
    if not _MAY_PROFILE:
        quiet = {"worker": {"profile": {"enabled": False}}}
        distributed = dask.config.merge(distributed, quiet)
    return {"scheduler-address": None, "client-name": None, "distributed": distributed}


def with_graph_defaults(build: Callable[P, R]) -> Callable[P, R]:
    """Make a function build its graphs with Dask's defaults."""

    @wraps(build)
    def with_defaults(*args: P.args, **kwargs: P.kwargs) -> R:
        defaults = dask.config.merge(*dask.config.defaults)
        with dask.config.set({name: defaults[name] for name in _OF_GRAPHS}):
            return build(*args, **kwargs)

    return with_defaults
