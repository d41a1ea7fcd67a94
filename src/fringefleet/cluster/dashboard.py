"""Address of a scheduler's dashboard: where it listens, which is not where workers connect."""

import logging
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from distributed import Client
from distributed.utils import format_dashboard_link

from fringefleet.cluster.exposure import LOOPBACK

logger = logging.getLogger(__name__)


class _HttpServer(NamedTuple):
    """Where a scheduler's HTTP server listens."""

    address: str
    port: int
    machine: str  # name of the host


def dashboard_link(client: Client) -> str:
    """Compose the link to the dashboard, as seen from its own machine if it listens to nobody else.

    Dask composes it of the scheduler's address instead, which is another where workers have an interface.
    "" if there is none: what is started here has one only if it is asked for.
    """
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


def describe_dashboard(client: Client) -> str:
    """Say where the dashboard is and, where workers come from other machines, how to see it elsewhere.

    "" if there is none.
    """
    server, link = _server(client), dashboard_link(client)
    if server is None or not server.address.startswith("127.") or _host(client) == server.address:
        return link
    forward = f"ssh -L {server.port}:{server.address}:{server.port} {server.machine}"
    return f"{link} (on {server.machine}; from elsewhere: {forward})"


def warn_of_dashboard(client: Client) -> None:
    """Warn of a dashboard that was asked for: it shows paths, logs and code to whoever can reach it."""
    if server := _server(client):
        whoever = "every user of" if server.address.startswith("127.") else "whoever can reach"
        logger.warning("the dashboard knows no password: %s %s can read it", whoever, server.machine)


def _host(client: Client) -> str:
    scheduler: Any = client.scheduler
    address = urlsplit(str(scheduler.address))
    return LOOPBACK if address.scheme == "inproc" else str(address.hostname)


def _server(client: Client) -> _HttpServer | None:
    def look(dask_scheduler: Any) -> tuple[str, int, str] | None:  # it needs no fringefleet over there
        from socket import gethostname  # noqa: PLC0415

        server = dask_scheduler.services.get("dashboard")
        return server and (server.address, server.port, gethostname())

    found = client.run_on_scheduler(look)
    return found and _HttpServer(*found)
