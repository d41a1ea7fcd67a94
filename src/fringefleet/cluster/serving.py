"""Keywords and settings for Dask's HTTP servers, which know no password: off, or only the dashboard on."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import dask

from fringefleet.cluster.exposure import wants_worker_dashboard
from fringefleet.cluster.options import ClusterOptions
from fringefleet.cluster.security import LOOPBACK
from fringefleet.errors import MissingExtraError
from fringefleet.execution import warm_up
from fringefleet.processes import http_off

ANY_PORT = f"{LOOPBACK}:0"  # where a server listens until it is stopped, and where a dashboard does
_SCHEDULER_ROUTES, WORKER_ROUTES = "distributed.scheduler.http.routes", "distributed.worker.http.routes"
# All of Dask's own but the proxy, which asks other servers in this one's name.
_ROUTES = [
    *(f"distributed.http.scheduler.{name}" for name in ("prometheus", "info", "json")),
    "distributed.http.health",
    "distributed.http.statics",
]


def http_settings(options: ClusterOptions) -> dict[str, Any]:
    """Let servers answer nothing that was not asked for, be it in the moment before they are stopped."""
    settings: dict[str, Any] = {_SCHEDULER_ROUTES: _ROUTES if options.dashboard else []}
    return settings if serves_workers(options, options.options) else settings | {WORKER_ROUTES: []}


def serves_workers(options: ClusterOptions, keywords: Mapping[str, Any]) -> bool:
    """Whether every worker is to have a dashboard, beside that of the scheduler."""
    return options.dashboard and wants_worker_dashboard(keywords)


def scheduler_keywords(options: ClusterOptions, given: Mapping[str, Any]) -> dict[str, Any]:
    """Complete what was given for a scheduler, so that it serves what was asked for and nothing else."""
    if options.dashboard:
        return dict(given)
    preload = given.get("preload") or dask.config.get("distributed.scheduler.preload", [])
    return {**given, "dashboard": False, "preload": [*as_list(preload), http_off.PRELOAD]}


def local_keywords(options: ClusterOptions) -> dict[str, Any]:
    """Complete what was given for a cluster of this machine in the same way."""
    given = dict(options.options)
    scheduler = scheduler_keywords(options, given.pop("scheduler_kwargs", {}))
    address = given.pop("dashboard_address", None) or ANY_PORT
    preload = as_list(given.pop("preload", None) or configured_preloads())
    preload += [] if serves_workers(options, options.options) else [http_off.PRELOAD]
    preload.append(warm_up.PRELOAD)
    return given | {"scheduler_kwargs": scheduler, "dashboard_address": address, "preload": preload}


def configured_preloads() -> list[str]:
    """List what Dask's configuration lets every worker import first."""
    return as_list(dask.config.get("distributed.worker.preload", []))


def as_list(texts: str | list[str] | tuple[str, ...] | None) -> list[str]:
    """Make a list of what Dask takes as one text or as several."""
    return [texts] if isinstance(texts, str) else list(texts or ())


def check_bokeh(option: str) -> None:
    """Refuse an option that Bokeh is needed for with a ``MissingExtraError``, if it is not installed."""
    try:
        import_module("bokeh")
    except ImportError as error:
        raise MissingExtraError(
            f"found no bokeh, which draws {option}; install it with `pip install 'fringefleet[dashboard]'`, "
            "or do without."
        ) from error
