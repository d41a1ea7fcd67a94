"""Workers that are there already: a scheduler at an address, or the client of a notebook."""

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

from distributed import Client, Security, rpc

from fringefleet.cluster.config import LARGEST_FILE
from fringefleet.cluster.credentials import CREDENTIALS
from fringefleet.cluster.nannies import in_words
from fringefleet.cluster.options import ClusterOptions
from fringefleet.cluster.security import running_security
from fringefleet.cluster.silence import OF_A_LOST_SCHEDULER, without_messages
from fringefleet.cluster.waiting import (
    SECONDS_TO_END,
    SECONDS_TO_STOP,
    NothingCameError,
    Watched,
    end_within,
    wait_for,
)
from fringefleet.errors import InputError
from fringefleet.processes.clients import WITH_TLS, current_client, warn_of_open

logger = logging.getLogger(__name__)

_CONNECT_SECONDS = 30.0
_SECONDS_TO_ANSWER = 1.0  # when connected
_SECONDS_OF_FIRST_TRY, _SECONDS_OF_LAST_TRY, _SECONDS_BETWEEN_TRIES = 3.0, 0.5, 0.5


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
        options = _with_credentials(options, Path(address))
        address = read_scheduler_file(Path(address))
    security = running_security(options, address)
    seconds = _seconds(options)
    # Who loses the scheduler is told so once, by us.
    with without_messages(OF_A_LOST_SCHEDULER), _client(address, security, seconds) as client:
        _wait_for_workers(client, address, options.n_worker, seconds)
        yield client


def _seconds(options: ClusterOptions) -> float:
    return _CONNECT_SECONDS if options.wait_seconds is None else options.wait_seconds


@contextmanager
def _client(address: str, security: Security | None, seconds: float) -> Iterator[Client]:
    """Make a client in a thread, and make it current; close it at last, if that can be done."""
    answer = _Answer(address, seconds)

    def begin() -> Client:
        _check_place(address)
        _wait_for_scheduler(address, security, answer)
        return Client(address, timeout=seconds, security=security)

    try:
        client = wait_for(begin, answer, seconds + _SECONDS_TO_ANSWER + SECONDS_TO_END)
    except (NothingCameError, OSError, TypeError) as error:
        tls = "has TLS at all, with the same authority as here" if security else "wants TLS"
        raise InputError(
            f"found no Dask scheduler at {address} within {seconds:g} s ({in_words(error)}); start one with "
            f"`dask scheduler`, see whether it {tls}, give more seconds with --wait, or choose "
            "--cluster local."
        ) from error
    left = SECONDS_TO_STOP
    try:
        with client.as_current():
            yield client
    except BaseException:
        left = SECONDS_TO_END
        raise
    finally:
        end_within(client.close, left, lambda: None)


class _Answer(Watched):
    """Whether a scheduler has answered, and why not; it may come up as long as somebody waits."""

    def __init__(self, address: str, seconds: float) -> None:
        self.address, self.seconds = address, seconds
        self.reason = ""

    def describe(self) -> str:
        """Say what is waited for."""
        return f"a scheduler at {self.address}{self.reason}"

    def note(self, reason: str) -> None:
        """Note why it has not answered; the first time that is said at once."""
        if not self.reason:
            logger.warning("no answer from %s yet (%s); trying for %g s", self.address, reason, self.seconds)
        self.reason = f" ({reason})"


def _wait_for_scheduler(address: str, security: Security | None, answer: _Answer) -> None:
    """Try an address until somebody speaks there as a scheduler does.

    Dask's client waits without end where a connection is taken and nothing is said, and leaves threads and
    sockets behind where that goes wrong. What is no timeout, such as a TLS that does not fit, is final.
    """
    arguments = {} if security is None else security.get_connection_args("client")
    deadline, patience = monotonic() + answer.seconds, _SECONDS_OF_FIRST_TRY
    while True:
        # Why it does not answer is told at half-time at the latest.
        seconds = max(_SECONDS_OF_LAST_TRY, min(patience, (deadline - monotonic()) / 2))
        try:
            _knock(address, arguments.get("ssl_context"), seconds)
            return asyncio.run(_identify(address, arguments, seconds))
        except ssl.SSLError:
            raise
        except OSError as error:
            if monotonic() >= deadline:
                raise
            answer.note(in_words(error))
        sleep(_SECONDS_BETWEEN_TRIES)
        patience *= 2


async def _identify(address: str, arguments: Mapping[str, Any], seconds: float) -> None:
    async with rpc(address, timeout=seconds, connection_args=arguments) as scheduler:
        try:
            await asyncio.wait_for(scheduler.identity(n_workers=0), seconds + _SECONDS_TO_ANSWER)
        except TimeoutError as error:
            raise TimeoutError("it takes the connection, and says nothing") from error


def _knock(address: str, context: ssl.SSLContext | None, seconds: float) -> None:
    """See whether anybody is there, who shakes hands as TLS does, if that is wanted.

    Dask would say of all that goes wrong that the time is up, and leave its socket behind.
    """
    where = urlsplit(address)
    if not address.startswith(("tcp://", "tls://")) or where.hostname is None or where.port is None:
        return
    with socket.create_connection((where.hostname, where.port), timeout=seconds) as plain:
        if context is not None:
            context.wrap_socket(plain).close()


def _check_place(address: str) -> None:
    """Refuse what has no port, and a host that nobody knows, which Dask would look up again and again."""
    where = urlsplit(address)
    if where.hostname is None or not address.startswith(("tcp://", *WITH_TLS)):
        return
    try:
        port, reason = where.port, ""
    except ValueError as error:
        port, reason = None, f" ({error})"
    if port is None:
        raise InputError(f"found no port in {address}{reason}; give one as in tcp://host:8786.")
    try:
        socket.getaddrinfo(where.hostname, None)
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"found no host {where.hostname}, of {address} ({error}); correct the address."
        ) from error


@contextmanager
def use_current(options: ClusterOptions) -> Iterator[Client]:
    """Use the client that is current in this process; it is left as it is."""
    client = current_client()
    if client is None:
        raise InputError("found no Dask client in this process; make one first, or choose local.")
    address = str(client.scheduler_info(n_workers=0)["address"])
    warn_of_open(address)
    _wait_for_workers(client, address, options.n_worker, _seconds(options))
    yield client


def read_scheduler_file(path: Path) -> str:
    """Read the address from what ``dask scheduler --scheduler-file`` writes."""
    address = _read_json(path).get("address")
    if not isinstance(address, str) or "://" not in address:
        raise InputError(f"{path} is no scheduler file: it has no address such as tcp://host:8786.")
    return address


def _with_credentials(options: ClusterOptions, path: Path) -> ClusterOptions:
    """Take the credentials that a scheduler file of ours names, unless others are given."""
    named = _read_json(path).get(CREDENTIALS)
    if not isinstance(named, str) or options.tls is False or options.tls_ca or options.tls_credentials:
        return options
    return replace(options, tls_credentials=Path(named))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(LARGEST_FILE))
    except OSError as error:
        raise InputError(f"found no scheduler file {path} ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no scheduler file: it is no JSON ({error}).") from error
    return content if isinstance(content, dict) else {}


def _wait_for_workers(client: Client, address: str, n_worker: int | None, seconds: float) -> None:
    """Wait for as many workers as asked for; if nobody asked there has to be one."""
    found = len(client.nthreads())
    if n_worker is not None and found < n_worker:
        logger.warning("waiting for %d workers at %s, of which %d are there", n_worker, address, found)
        with suppress(TimeoutError):
            client.wait_for_workers(n_worker, timeout=max(seconds, 0.001))  # of 0 it makes no limit
        found = len(client.nthreads())
    if n_worker is not None and found < n_worker:
        raise InputError(
            f"found {found} of {n_worker} workers at {address} after {seconds:g} s; start more with "
            f"`dask worker {address}`, ask for fewer, or wait longer with --wait."
        )
    if not found:
        raise InputError(
            f"the scheduler at {address} has no workers; start some with `dask worker {address}`, or give "
            "the number to wait for."
        )
