"""Workers that are there already: a scheduler at an address, or the client of a notebook."""

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from distributed import Client, Security, default_client
from distributed.comm.core import connect as reach
from distributed.core import send_recv

from fringefleet.cluster.config import LARGEST_FILE
from fringefleet.cluster.hush import hushed
from fringefleet.cluster.options import ClusterOptions
from fringefleet.cluster.security import running_security
from fringefleet.errors import InputError

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 30.0
SECONDS_TO_ANSWER = 1.0  # when connected
OF_A_LOST_SCHEDULER = ("distributed.client", "distributed.batched", "distributed.core")


@contextmanager
def connect_running(options: ClusterOptions) -> Iterator[Client]:
    """Connect to a scheduler by its address or its scheduler file; it goes on running afterwards.

    Raises
    ------
    InputError
        Nothing answers there, or it has no workers; or the file is not there, or is none of a scheduler.
    OptionError
        It wants TLS and there are no certificates, or the other way round.
    """
    address = str(options.cluster)
    if options.kind == "file":
        address = read_scheduler_file(Path(address))
    security = running_security(options, address)
    seconds = CONNECT_SECONDS if options.wait_seconds is None else options.wait_seconds
    _refuse_silent(address, security, seconds)
    # Who loses the scheduler is told so once, by us.
    names = () if logger.isEnabledFor(logging.DEBUG) else OF_A_LOST_SCHEDULER
    with hushed(names), Client(address, timeout=seconds, security=security) as client:
        _wait_for_workers(client, address, options.n_worker, seconds)
        yield client


def _refuse_silent(address: str, security: Security | None, seconds: float) -> None:
    """Refuse an address where nobody speaks as a scheduler does.

    Dask's client waits without end where a connection is taken and nothing is said, and leaves threads and
    sockets behind where that goes wrong.
    """
    _refuse_unknown_host(address)
    arguments = {} if security is None else security.get_connection_args("client")

    async def look() -> None:
        comm = await reach(address, timeout=seconds, **arguments)
        try:
            await send_recv(comm, op="identity", n_workers=0)
        finally:
            await comm.close()

    async def look_for_a_while() -> None:
        await asyncio.wait_for(look(), seconds + SECONDS_TO_ANSWER)

    try:
        _refuse_other_than_tls(address, arguments.get("ssl_context"), seconds)
        with ThreadPoolExecutor(1) as thread:  # a notebook's own thread has an event loop already
            thread.submit(asyncio.run, look_for_a_while()).result()
    except (OSError, ValueError, TypeError) as error:
        reason = str(error) or "it takes the connection, and says nothing"
        tls = "has TLS at all, with the same authority as here" if security else "wants TLS"
        raise InputError(
            f"found no Dask scheduler at {address} within {seconds:g} s ({reason}); start one with `dask "
            f"scheduler`, see whether it {tls}, or choose --cluster local."
        ) from error


def _refuse_other_than_tls(address: str, context: ssl.SSLContext | None, seconds: float) -> None:
    """Shake hands as TLS does, if it is wanted; Dask would wait, and leave its socket behind.

    Raises
    ------
    OSError
        There is somebody, who speaks otherwise or does not trust us.
    """
    where = urlsplit(address)
    if context is None or where.hostname is None or where.port is None:
        return
    try:
        with (
            socket.create_connection((where.hostname, where.port), timeout=seconds) as plain,
            context.wrap_socket(plain),
        ):
            pass
    except ConnectionError:
        return  # nobody is there yet


def _refuse_unknown_host(address: str) -> None:
    """Refuse a host that nobody knows, which Dask would look up again and again."""
    host = urlsplit(address).hostname
    if host is None or not address.startswith(("tcp://", "tls://")):
        return
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        raise InputError(f"found no host {host}, of {address} ({error}); correct the address.") from error


@contextmanager
def use_current(options: ClusterOptions) -> Iterator[Client]:
    """Use the client that is current in this process; it is left as it is.

    Raises
    ------
    InputError
        There is none, or it has no workers.
    """
    client = current_client()
    if client is None:
        raise InputError("found no Dask client in this process; make one first, or choose local.")
    seconds = CONNECT_SECONDS if options.wait_seconds is None else options.wait_seconds
    _wait_for_workers(client, str(client.scheduler_info(n_workers=0)["address"]), options.n_worker, seconds)
    yield client


def current_client() -> Client | None:
    """Return the client that is current in this process, if there is one."""
    try:
        client: Client = default_client()
    except ValueError:
        return None
    return client


def read_scheduler_file(path: Path) -> str:
    """Read the address from what ``dask scheduler --scheduler-file`` writes.

    Raises
    ------
    InputError
        It is not there, or is something else.
    """
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(LARGEST_FILE))
    except OSError as error:
        raise InputError(f"found no scheduler file {path} ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no scheduler file: it is no JSON ({error}).") from error
    address = content.get("address") if isinstance(content, dict) else None
    if not isinstance(address, str) or "://" not in address:
        raise InputError(f"{path} is no scheduler file: it has no address such as tcp://host:8786.")
    return address


def _wait_for_workers(client: Client, address: str, n_worker: int | None, seconds: float) -> None:
    """Wait for as many workers as asked for; if nobody asked there has to be one."""
    if n_worker is not None:
        try:
            client.wait_for_workers(n_worker, timeout=seconds)
        except TimeoutError as error:
            raise InputError(
                f"found {len(client.nthreads())} of {n_worker} workers at {address} after {seconds:g} s; "
                f"start more with `dask worker {address}`, or ask for fewer."
            ) from error
    if not client.nthreads():
        raise InputError(
            f"the scheduler at {address} has no workers; start some with `dask worker {address}`, or give "
            "the number to wait for."
        )
