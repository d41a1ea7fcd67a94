"""Workers that are there already: a scheduler at an address, or the client of a notebook."""

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

from distributed import Client, Security
from distributed.comm.core import connect as reach
from distributed.core import send_recv

from fringefleet.clients import WITH_TLS, current_client, warn_of_open
from fringefleet.cluster.config import LARGEST_FILE
from fringefleet.cluster.credentials import CREDENTIALS
from fringefleet.cluster.hush import hushed
from fringefleet.cluster.nannies import in_words
from fringefleet.cluster.options import ClusterOptions
from fringefleet.cluster.patience import (
    SECONDS_BETWEEN_LOOKS,
    SECONDS_TO_END,
    SECONDS_TO_STOP,
    Clock,
    NothingCameError,
    end_within,
    wait_for,
)
from fringefleet.cluster.security import running_security
from fringefleet.errors import InputError

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 30.0
SECONDS_TO_ANSWER = 1.0  # when connected
SECONDS_OF_FIRST_TRY, SECONDS_OF_LAST_TRY, SECONDS_BETWEEN_TRIES = 3.0, 0.5, 0.5
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
        options = _with_credentials(options, Path(address))
        address = read_scheduler_file(Path(address))
    security = running_security(options, address)
    seconds = CONNECT_SECONDS if options.wait_seconds is None else options.wait_seconds
    # Who loses the scheduler is told so once, by us.
    names = () if logger.isEnabledFor(logging.DEBUG) else OF_A_LOST_SCHEDULER
    with hushed(names), _client(address, security, seconds) as client:
        _wait_for_workers(client, address, options.n_worker, seconds)
        yield client


@contextmanager
def _client(address: str, security: Security | None, seconds: float) -> Iterator[Client]:
    """Make a client in a thread, and make it current; close it at last, if that can be done."""
    answer = _Answer(address, seconds)

    def begin() -> Client:
        _refuse_unknown_place(address)
        _wait_for_scheduler(address, security, answer)
        return Client(address, timeout=seconds, security=security)

    try:
        client = wait_for(begin, answer, seconds + SECONDS_TO_ANSWER + SECONDS_TO_END)
    except NothingCameError as error:
        raise _no_scheduler(address, security, seconds, str(error)) from None
    except (OSError, TypeError) as error:
        raise _no_scheduler(address, security, seconds, in_words(error)) from error
    left = SECONDS_TO_STOP
    try:
        with client.as_current():
            yield client
    except BaseException:
        left = SECONDS_TO_END
        raise
    finally:
        end_within(client.close, left, lambda: None)


class _Answer:
    """Whether a scheduler has answered, and why not.

    ``failure`` stays None: it may come up as long as somebody waits.
    """

    failure: str | None = None

    def __init__(self, address: str, seconds: float) -> None:
        self.address, self.seconds = address, seconds
        self.reason = ""

    def life(self) -> object:
        """Nothing but its answer is a sign of life."""
        return None

    def describe(self) -> str:
        """Say what is waited for."""
        return f"a scheduler at {self.address}{self.reason}"

    def note(self, reason: str) -> None:
        """Note why it has not answered; the first time that is said at once."""
        if not self.reason:
            logger.warning("no answer from %s yet (%s); trying for %g s", self.address, reason, self.seconds)
        self.reason = f" ({reason})"

    def give_up(self) -> None:
        """Leave it to its own limit of time."""


def _no_scheduler(address: str, security: Security | None, seconds: float, reason: str) -> InputError:
    tls = "has TLS at all, with the same authority as here" if security else "wants TLS"
    return InputError(
        f"found no Dask scheduler at {address} within {seconds:g} s ({reason}); start one with `dask "
        f"scheduler`, see whether it {tls}, give more seconds with --wait, or choose --cluster "
        "local."
    )


def _wait_for_scheduler(address: str, security: Security | None, answer: _Answer) -> None:
    """Try an address until somebody speaks there as a scheduler does.

    Dask's client waits without end where a connection is taken and nothing is said, and leaves threads and
    sockets behind where that goes wrong.

    Raises
    ------
    OSError, TypeError
        Nobody does in time, or somebody speaks otherwise.
    """
    arguments = {} if security is None else security.get_connection_args("client")
    deadline, patience = monotonic() + answer.seconds, SECONDS_OF_FIRST_TRY
    while True:
        # Why it does not answer is told at half-time at the latest.
        seconds = max(SECONDS_OF_LAST_TRY, min(patience, (deadline - monotonic()) / 2))
        try:
            _knock(address, arguments.get("ssl_context"), seconds)
            asyncio.run(_look(address, arguments, seconds))
        except ssl.SSLError:
            raise
        except OSError as error:
            if monotonic() >= deadline:
                raise
            answer.note(in_words(error))
        else:
            return
        sleep(SECONDS_BETWEEN_TRIES)
        patience *= 2


async def _look(address: str, arguments: Mapping[str, Any], seconds: float) -> None:
    comm = await reach(address, timeout=seconds, **arguments)
    try:
        await asyncio.wait_for(send_recv(comm, op="identity", n_workers=0), seconds + SECONDS_TO_ANSWER)
    except TimeoutError as error:
        raise TimeoutError("it takes the connection, and says nothing") from error
    finally:
        await comm.close()


def _knock(address: str, context: ssl.SSLContext | None, seconds: float) -> None:
    """See whether anybody is there, who shakes hands as TLS does, if that is wanted.

    Dask would say of all that goes wrong that the time is up, and leave its socket behind.

    Raises
    ------
    OSError
        Nobody is there; or somebody, who speaks otherwise or does not trust us.
    """
    where = urlsplit(address)
    if not address.startswith(("tcp://", "tls://")) or where.hostname is None or where.port is None:
        return
    with socket.create_connection((where.hostname, where.port), timeout=seconds) as plain:
        if context is not None:
            context.wrap_socket(plain).close()


def _refuse_unknown_place(address: str) -> None:
    """Refuse a host that nobody knows, which Dask would look up again and again, and what has no port."""
    where = urlsplit(address)
    host = where.hostname
    if host is None or not address.startswith(("tcp://", *WITH_TLS)):
        return
    try:
        port = where.port
    except ValueError as error:
        raise InputError(f"found no port in {address} ({error}); give one as in tcp://host:8786.") from error
    if port is None:
        raise InputError(f"found no port in {address}; give one as in tcp://host:8786.")
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
    address = str(client.scheduler_info(n_workers=0)["address"])
    warn_of_open(address)
    _wait_for_workers(client, address, options.n_worker, seconds)
    yield client


def read_scheduler_file(path: Path) -> str:
    """Read the address from what ``dask scheduler --scheduler-file`` writes.

    Raises
    ------
    InputError
        It is not there, or is something else.
    """
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
    clock, found = Clock(seconds), len(client.nthreads())
    while n_worker is not None and found < n_worker:
        if clock.waited >= seconds:
            raise InputError(
                f"found {found} of {n_worker} workers at {address} after {seconds:g} s; start more with "
                f"`dask worker {address}`, ask for fewer, or wait longer with --wait."
            )
        clock.is_up(
            None, partial("{1} workers at {2}, of which {0} are there".format, found, n_worker, address)
        )
        sleep(SECONDS_BETWEEN_LOOKS)
        found = len(client.nthreads())
    if not found:
        raise InputError(
            f"the scheduler at {address} has no workers; start some with `dask worker {address}`, or give "
            "the number to wait for."
        )
