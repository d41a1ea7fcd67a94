"""Connections to running clusters: by address, by scheduler file, or through the current client."""

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urlsplit

from distributed import Client, Security, rpc
from distributed.utils import LoopRunner

from fringefleet.cluster.config import read_data
from fringefleet.cluster.nannies import in_words
from fringefleet.cluster.options import ClusterOptions
from fringefleet.cluster.security import CREDENTIALS, running_security
from fringefleet.cluster.waiting import OF_A_LOST_SCHEDULER, Clock, ended, without_messages
from fringefleet.errors import InputError
from fringefleet.processes.clients import WITH_TLS, current_client, warn_of_open

logger = logging.getLogger(__name__)

_CONNECT_SECONDS = 30.0
_SECONDS_TO_ANSWER = 1.0  # when connected
_SECONDS_OF_FIRST_TRY, _SECONDS_OF_LAST_TRY, _SECONDS_BETWEEN_TRIES = 3.0, 0.5, 0.5


@contextmanager
def connect_running(options: ClusterOptions) -> Iterator[Client]:
    """Connect to a running scheduler by its address or its scheduler file; it keeps running afterwards.

    Raises an ``InputError`` if nothing answers, there are no workers, or the file is no scheduler file; an
    ``OptionError`` if certificates are missing or not wanted.
    """
    address = str(options.cluster)
    if options.kind == "file":
        address, credentials = read_scheduler_file(Path(address))
        if options.tls is not False and not options.tls_ca and not options.tls_credentials:
            options = replace(options, tls_credentials=credentials)
    security = running_security(options, address)
    # Who loses the scheduler is told so once, by us.
    with without_messages(OF_A_LOST_SCHEDULER):
        client = _join(address, security, _seconds(options))
        with ended(client.close), client.as_current():
            _wait_for_workers(client, address, options)
            yield client


@contextmanager
def use_current(options: ClusterOptions) -> Iterator[Client]:
    """Use the current client of this process, and leave it as it is."""
    client = current_client()
    if client is None:
        raise InputError("found no Dask client in this process; make one first, or choose local.")
    address = str(client.scheduler_info(n_workers=0)["address"])
    warn_of_open(address)
    _wait_for_workers(client, address, options)
    yield client


def _seconds(options: ClusterOptions) -> float:
    return _CONNECT_SECONDS if options.wait_seconds is None else options.wait_seconds


def _join(address: str, security: Security | None, seconds: float) -> Client:
    """Make a client of a scheduler that has answered; Dask's would wait for a silent one without end."""
    _check_place(address)
    try:
        _wait_for_scheduler(address, security, seconds)
        return Client(address, timeout=max(seconds, _SECONDS_TO_ANSWER), security=security)
    except (OSError, TypeError) as error:
        tls = "has TLS at all, with the same authority as here" if security else "wants TLS"
        raise InputError(
            f"found no Dask scheduler at {address} within {seconds:g} s ({in_words(error)}); start one with "
            f"`dask scheduler`, see whether it {tls}, give more seconds with --wait, or choose "
            "--cluster local."
        ) from error


def _wait_for_scheduler(address: str, security: Any, seconds: float) -> Any:
    """Retry an address until a scheduler answers; a failed TLS handshake is final."""
    arguments = {} if security is None else security.get_connection_args("client")
    clock, patience = Clock(None, seconds), _SECONDS_OF_FIRST_TRY
    while True:
        # Why it does not answer is told at half-time at the latest.
        limit = max(_SECONDS_OF_LAST_TRY, min(patience, (seconds - clock.waited) / 2))
        try:
            _knock(address, arguments.get("ssl_context"), limit)
            return LoopRunner().run_sync(_identify, address, arguments, limit)
        except OSError as error:
            reason = in_words(error)
            if isinstance(error, ssl.SSLError) or clock.is_up(None, f"{address} ({reason})"):
                raise
        if patience == _SECONDS_OF_FIRST_TRY:
            logger.warning("no answer from %s yet (%s); trying for %g s", address, reason, seconds)
        sleep(_SECONDS_BETWEEN_TRIES)
        patience *= 2


def _knock(address: str, context: ssl.SSLContext | None, seconds: float) -> None:
    """Open and close a connection, with a TLS handshake if required, as Dask reports only a timeout."""
    where = urlsplit(address)
    if where.scheme in ("tcp", "tls"):
        with socket.create_connection((where.hostname, where.port), timeout=seconds) as plain:
            if context is not None:
                context.wrap_socket(plain).close()


async def _identify(address: str, arguments: Mapping[str, Any], seconds: float) -> None:
    async with rpc(address, timeout=seconds, connection_args=arguments) as scheduler:
        try:
            await asyncio.wait_for(scheduler.identity(n_workers=0), seconds + _SECONDS_TO_ANSWER)
        except TimeoutError as error:
            raise TimeoutError("it takes the connection, and says nothing") from error
        except (MemoryError, OverflowError, ValueError) as error:  # of lengths that are none
            raise InputError(
                f"found something else than a Dask scheduler at {address}, such as a web server; correct the "
                "host and the port."
            ) from error


def _check_place(address: str) -> None:
    """Refuse an address without a port, or with an unknown host, which Dask would look up again and again."""
    where = urlsplit(address)
    if where.hostname is None or not address.startswith(("tcp://", *WITH_TLS)):
        return
    try:
        port, reason = where.port, ""
    except ValueError as error:
        port, reason = None, f" ({error})"
    if not port:
        raise InputError(f"found no port in {address}{reason}; give one as in tcp://host:8786.")
    try:
        socket.getaddrinfo(where.hostname, port)
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"found no host {where.hostname}, of {address} ({error}); correct the address."
        ) from error


def read_scheduler_file(path: Path) -> tuple[str, str | None]:
    """Read the address, and of our own files the credentials, from a file of ``--scheduler-file``."""
    content = read_data(path, "scheduler", "JSON", json.loads)
    said = content if isinstance(content, dict) else {}
    address, credentials = said.get("address"), said.get(CREDENTIALS)
    if not isinstance(address, str) or "://" not in address:
        raise InputError(f"{path} is no scheduler file: it has no address such as tcp://host:8786.")
    return address, credentials if isinstance(credentials, str) else None


def _wait_for_workers(client: Client, address: str, options: ClusterOptions) -> None:
    """Wait for the number of workers that was requested, or for one."""
    wanted, found, seconds = options.n_worker or 1, len(client.nthreads()), _seconds(options)
    after, advice = "", "give the number to wait for"
    if options.n_worker is not None and found < wanted:
        logger.warning("waiting for %d workers at %s, of which %d are there", wanted, address, found)
        with suppress(TimeoutError):
            client.wait_for_workers(wanted, timeout=max(seconds, 0.001))  # of 0 it makes no limit
        found, after = len(client.nthreads()), f" after {seconds:g} s"
        advice = "ask for fewer, or wait longer with --wait"
    if found < wanted:
        raise InputError(
            f"found {found} of {wanted} workers at {address}{after}; start more with `dask worker "
            f"{address}`, or {advice}."
        )
