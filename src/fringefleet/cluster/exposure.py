"""Exposure to strangers: protocols without TLS, and Dask's HTTP servers, which know no password.

Options that would let them in are refused with an ``OptionError``. Servers are off, but for a dashboard that
was asked for.
"""

import logging
import shlex
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from fringefleet.errors import MissingExtraError, OptionError
from fringefleet.processes.preload import HTTP_OFF

if TYPE_CHECKING:
    from distributed import Client

    from fringefleet.cluster.options import ClusterOptions

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
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
    """Refuse keywords of a cluster after which it would speak without TLS."""
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
    """Refuse the address of a scheduler without TLS, but at ``tcp://``, as whoever starts it decides."""
    protocol = address.partition("://")[0]
    if tls is False and protocol == "tls":
        raise OptionError(f"found --no-tls, and {address}, which has TLS; leave one of them out.")
    if tls is None and protocol != "tcp":
        _check_protocol(address, protocol)


def check_exposure(options: "ClusterOptions") -> None:
    """Refuse keywords by which strangers could come in, unless somebody said that they may."""
    if options.is_encrypted:
        check_protocols(options.options)
    for found, value in () if options.dashboard else _dashboards(options.options):
        raise OptionError(
            f"found {found} = {value!r}, and the dashboard, which knows no password, is off; give "
            "--dashboard with it, or leave it out."
        )


def http_settings(options: "ClusterOptions") -> dict[str, Any]:
    """Let servers answer nothing that was not asked for, be it in the moment before they are stopped."""
    if options.dashboard:
        check_bokeh("the dashboard")
    settings: dict[str, Any] = {_SCHEDULER_ROUTES: _ROUTES if options.dashboard else []}
    return settings if serves_workers(options, options.options) else settings | {WORKER_ROUTES: []}


def serves_workers(options: "ClusterOptions", keywords: Mapping[str, Any]) -> bool:
    """Whether every worker is to have a dashboard, beside that of the scheduler."""
    found = [found for found, _ in _dashboards(keywords)]
    return options.dashboard and any(name.startswith("worker_") or _OF_WORKERS in name for name in found)


def _dashboards(keywords: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((found, value) for found, name, value in _said(keywords) if value and name in _DASHBOARD)


def scheduler_keywords(options: "ClusterOptions", given: Mapping[str, Any]) -> dict[str, Any]:
    """Complete what was given for a scheduler, so that it serves what was asked for and nothing else."""
    import dask  # noqa: PLC0415 - options are checked without

    preload = given.get("preload") or dask.config.get("distributed.scheduler.preload", [])
    off = {"dashboard": False, "preload": [*as_list(preload), HTTP_OFF]}
    return {**given, **({} if options.dashboard else off)}


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


def _said(options: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Find all keywords, of scheduler and worker's command line, too: where it is, name, value or True."""
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


class _HttpServer(NamedTuple):
    """Where a scheduler's HTTP server listens."""

    address: str
    port: int
    machine: str  # name of the host


def dashboard_link(client: "Client") -> str:
    """Compose the link to the dashboard, as seen from its own machine if it listens to nobody else.

    Dask composes it of the scheduler's address instead, which is another where workers have an interface.
    "" if there is none: what is started here has one only if it is asked for.
    """
    from distributed.utils import format_dashboard_link  # noqa: PLC0415 - heavy

    if (server := _server(client)) is None:
        return ""
    host = _host(client) if server.address in ("0.0.0.0", "::") else server.address  # noqa: S104
    where = f"[{host}]" if ":" in host else host
    try:
        return str(format_dashboard_link(where, server.port))
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        # The site's link has words for another machine, such as one that runs JupyterHub.
        logger.debug("distributed.dashboard.link is not used: %s: %s", type(error).__name__, error)
        return f"http://{where}:{server.port}/status"


def describe_dashboard(client: "Client") -> str:
    """Say where the dashboard is, if any, and how to see it elsewhere if workers come from there."""
    server, link = _server(client), dashboard_link(client)
    if server is None or not server.address.startswith("127.") or _host(client) == server.address:
        return link
    forward = f"ssh -L {server.port}:{server.address}:{server.port} {server.machine}"
    return f"{link} (on {server.machine}; from elsewhere: {forward})"


def warn_of_dashboard(client: "Client") -> None:
    """Warn of a dashboard that was asked for: it shows paths, logs and code to whoever can reach it."""
    if server := _server(client):
        whoever = "every user of" if server.address.startswith("127.") else "whoever can reach"
        logger.warning("the dashboard knows no password: %s %s can read it", whoever, server.machine)


def _host(client: "Client") -> str:
    scheduler: Any = client.scheduler
    address = urlsplit(str(scheduler.address))
    return LOOPBACK if address.scheme == "inproc" else str(address.hostname)


def _server(client: "Client") -> _HttpServer | None:
    def look(dask_scheduler: Any) -> tuple[str, int, str] | None:  # it needs no fringefleet over there
        from socket import gethostname  # noqa: PLC0415

        server = dask_scheduler.services.get("dashboard")
        return server and (server.address, server.port, gethostname())

    found = client.run_on_scheduler(look)
    return found and _HttpServer(*found)
