"""Address of the dashboard of a running scheduler, which knows no password."""

import logging
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from fringefleet.arguments.calls import checked_call

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"


class _HttpServer(NamedTuple):
    """Address of a scheduler's HTTP server."""

    address: str
    port: int
    machine: str  # name of the host


@checked_call
def dashboard_link(client: "Client") -> str:
    """Return the link to the dashboard, as seen from its own machine; "" if there is none.

    Dask derives it from the scheduler's address, which differs where workers use another interface.

    Examples
    --------
    >>> import fringefleet
    >>> with fringefleet.connect("local", 1, dashboard=True) as workers:
    ...     dashboard_link(workers.client)[:17]
    'http://127.0.0.1:'
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
    """Describe where the dashboard is, and how to reach it if workers run elsewhere; "" if none."""
    server, link = _server(client), dashboard_link(client)
    if server is None or not server.address.startswith("127.") or _host(client) == server.address:
        return link
    forward = f"ssh -L {server.port}:{server.address}:{server.port} {server.machine}"
    return f"{link} (on {server.machine}; from elsewhere: {forward})"


def warn_of_dashboard(client: "Client") -> None:
    """Warn that a requested dashboard shows paths, logs and code without a password."""
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
