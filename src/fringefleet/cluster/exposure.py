"""Protection from strangers: protocols without TLS, and Dask's HTTP servers, which have no password."""

import shlex
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from fringefleet.errors import MissingExtraError, OptionError
from fringefleet.processes.dashboard import LOOPBACK
from fringefleet.processes.preload import HTTP_OFF

if TYPE_CHECKING:
    from fringefleet.cluster.options import ClusterOptions

ANY_PORT = f"{LOOPBACK}:0"  # where a server listens until it is stopped, and where a dashboard does
_SCHEDULER_ROUTES, WORKER_ROUTES = "distributed.scheduler.http.routes", "distributed.worker.http.routes"
# All of Dask's own but the proxy, which asks other servers in this one's name.
_ROUTES = [f"distributed.http.scheduler.{name}" for name in ("prometheus", "info", "json")]
_ROUTES += ["distributed.http.health", "distributed.http.statics"]
_ENCRYPTED = ("tls", "wss", "inproc")  # the last never leaves its process
_TABLES = ("scheduler_kwargs", "scheduler_options")
_ADDRESSES = ("host", "contact_address", "listen_address")  # which may begin with a protocol
_UCX = ("enable_tcp_over_ucx", "enable_infiniband", "enable_nvlink")  # each makes it the protocol
_DASHBOARD = ("dashboard", "dashboard_address", "worker_dashboard_address")
_OF_WORKERS = " in worker_extra_args"


def check_protocols(options: Mapping[str, Any]) -> None:
    """Refuse keywords by which a cluster would communicate without TLS."""
    for found, keyword, value in _said(options):
        protocol = "ucx" if keyword in _UCX else str(value)
        if value and (keyword in ("protocol", *_UCX) or (keyword in _ADDRESSES and "://" in protocol)):
            _check_protocol(f"{found} = {protocol!r}", protocol)


def _check_protocol(found: str, protocol: str) -> None:
    if protocol.partition("://")[0] not in _ENCRYPTED:
        raise OptionError(
            f"found {found}, which has no TLS: whoever can reach it could run code as you. Leave it out, or "
            "choose a protocol with TLS, or give --no-tls where you trust all who can."
        )


def check_running_protocol(address: str, tls: bool | None) -> None:
    """Refuse a scheduler's address without TLS, except ``tcp://``, which its owner has chosen."""
    protocol = address.partition("://")[0]
    if tls is False and protocol == "tls":
        raise OptionError(f"found --no-tls, and {address}, which has TLS; leave one of them out.")
    if tls is None and protocol != "tcp":
        _check_protocol(address, protocol)


def check_exposure(options: "ClusterOptions") -> None:
    """Refuse keywords that would let strangers in, unless an option allows it."""
    if options.is_encrypted:
        check_protocols(options.options)
    for found, value in () if options.dashboard else _dashboards(options.options):
        raise OptionError(
            f"found {found} = {value!r}, and the dashboard, which knows no password, is off; give "
            "--dashboard with it, or leave it out."
        )


def http_settings(options: "ClusterOptions") -> dict[str, Any]:
    """Return settings that switch HTTP servers off, except what was requested."""
    if options.dashboard:
        check_bokeh("the dashboard")
    settings: dict[str, Any] = {_SCHEDULER_ROUTES: _ROUTES if options.dashboard else []}
    return settings if serves_workers(options, options.options) else settings | {WORKER_ROUTES: []}


def serves_workers(options: "ClusterOptions", keywords: Mapping[str, Any]) -> bool:
    """Return whether every worker has a dashboard, besides that of the scheduler."""
    found = [found for found, _ in _dashboards(keywords)]
    return options.dashboard and any(name.startswith("worker_") or _OF_WORKERS in name for name in found)


def _dashboards(keywords: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((found, value) for found, name, value in _said(keywords) if value and name in _DASHBOARD)


def scheduler_keywords(options: "ClusterOptions", given: Mapping[str, Any]) -> dict[str, Any]:
    """Complete the keywords of a scheduler so that it serves only what was requested."""
    import dask  # noqa: PLC0415 - options are checked without

    preload = given.get("preload") or dask.config.get("distributed.scheduler.preload", [])
    off = {"dashboard": False, "preload": [*as_list(preload), HTTP_OFF]}
    return {**given, **({} if options.dashboard else off)}


def as_list(texts: str | list[str] | tuple[str, ...] | None) -> list[str]:
    """Convert one text or several, as Dask takes them, to a list."""
    return [texts] if isinstance(texts, str) else list(texts or ())


def check_bokeh(option: str) -> None:
    """Raise a ``MissingExtraError`` if Bokeh, which an option needs, is not installed."""
    try:
        import_module("bokeh")
    except ImportError as error:
        raise MissingExtraError(
            f"found no bokeh, which draws {option}; install it with `pip install 'fringefleet[dashboard]'`, "
            "or do without."
        ) from error


def _said(options: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield all keywords, also those inside tables and command lines: place, name, and value or True."""
    for name, value in options.items():
        if name == "worker_extra_args":
            yield from _options_in(value)
        elif name in _TABLES and isinstance(value, Mapping):
            yield from ((f"{name}.{key}", key, item) for key, item in value.items())
        else:
            yield name, name, value


def _options_in(items: Any) -> Iterator[tuple[str, str, str | bool]]:
    try:
        words = shlex.split(" ".join(map(str, items)) if isinstance(items, list | tuple) else str(items))
    except ValueError as error:
        raise OptionError(f"found worker_extra_args = {items!r}: {error}; end the quotation.") from error
    for word, following in pairwise([*words, ""]):
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--"):
            yield f"{name}{_OF_WORKERS}", name.replace("-", "_"), (value if equals else following) or True
