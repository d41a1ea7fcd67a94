"""Current Dask client of this process, and checks that its connection is alive."""

import logging
import threading
import uuid
from functools import cache
from typing import Any

import dask
from dask.system import CPU_COUNT
from distributed import Client, default_client, get_worker

from fringefleet.errors import OptionError, RunError

logger = logging.getLogger(__name__)

_LOG_LOCK = threading.Lock()

_THREADS = ("threads", "threading")  # Dask's words
_CLOSED = ("closing", "closed")  # states of a client
WITH_TLS = ("tls://", "wss://")  # protocols
_known_open: set[str] = set()  # addresses of schedulers that were warned of
_ADVICE = (
    "Make a new client, or start workers with fringefleet.connect. To compute in threads of this process, "
    "use `with dask.config.set(scheduler='threads'):`."
)


def current_client() -> Client | None:
    """Return the current client of this process; None if there is none, or the program closed it.

    Raises
    ------
    RunError
        The scheduler of the client is gone.
    OptionError
        The client is asynchronous.
    """
    client = _find()
    if client is None or (client.status in _CLOSED and not _is_lost(client)):
        return None
    if client.status != "running" and dask.config.get("scheduler", None) in _THREADS:
        return None
    check_client(client)
    if client.asynchronous:
        raise OptionError(
            "found Client(asynchronous=True), which only coroutines can use; make one without "
            "asynchronous=True, or start workers with fringefleet.connect."
        )
    return client


def client_to_compute_with() -> Client | None:
    """Return the current client of this process; if there is none, log that threads compute.

    Raises
    ------
    RunError, OptionError
        As :func:`current_client`.
    """
    client = current_client()
    if client is None:
        # A program that had workers expects them: that deserves more than an info message.
        level = logging.INFO if _latest() is None else logging.WARNING
        logger.log(level, "no Dask client: %d threads of this process", CPU_COUNT)
    return client


def check_not_left_alone() -> None:
    """Check that a block of a lazy result is computed on the workers intended for it.

    Dask computes in threads of this process when the client is gone. Where there was none, or the program
    closed it, this is logged once.

    Raises
    ------
    RunError
        The scheduler of the client is gone.
    """
    if threading.current_thread() is threading.main_thread():
        return  # requested explicitly, for a debugger for example
    try:
        get_worker()
    except ValueError:
        if current_client() is None:
            with _LOG_LOCK:  # several blocks may get here at once
                _log_threads()


@cache
def _log_threads() -> None:
    level = logging.INFO if _latest() is None else logging.WARNING
    logger.log(level, "no Dask client: %d threads of this process", CPU_COUNT)


def check_client(client: Client) -> None:
    """Reject a client that has lost its scheduler, or was closed since it was found.

    Raises
    ------
    RunError
        It can no longer be used.
    """
    if client.status == "running" and not _is_lost(client):
        return
    if client.status in _CLOSED and not _is_lost(client):
        raise RunError(f"the Dask client was closed just before it was used. {_ADVICE}")
    raise RunError(f"the Dask client has lost its scheduler{_where(client)}. {_ADVICE}")


def warn_of_open(address: str) -> None:
    """Warn once of a scheduler that others may reach, and that requires no certificate."""
    if address in _known_open or address.startswith((*WITH_TLS, "inproc://")):
        return
    note_open(address)
    logger.warning(
        "%s has no TLS: anyone who can reach it can run code as you. Start it with TLS (deploy/README.md, "
        "Security) where others can log in",
        address,
    )


def note_open(address: str) -> None:
    """Record a scheduler that has been warned of."""
    _known_open.add(address)


def _find() -> Client | None:
    """Find the current client or, if there is none any more, the last one that was current."""
    try:
        client: Client = default_client()
    except ValueError:
        return _latest()
    return client


def _latest() -> Client | None:
    """Find the most recent global client; Dask itself forgets those that ended."""
    known: Any = getattr(Client, "_instances", ())
    ours = [client for client in tuple(known) if getattr(client, "_set_as_default", False)]
    return max(ours, key=_made, default=None)


def _made(client: Client) -> int:
    """Return when a client was made, as the counter in its identifier."""
    return uuid.UUID(client.id[-36:]).time


def _is_lost(client: Any) -> bool:
    """Return whether a client lost its scheduler; if the program closed it, its event loop has stopped."""
    if client.status not in (*_CLOSED, "connecting"):
        return False
    was_connected = getattr(client, "_handle_report_task", None) is not None
    return was_connected and client.scheduler_comm is None and client._loop_runner.is_started()


def _where(client: Any) -> str:
    address = getattr(client, "_start_arg", None)
    return f" at {address}" if isinstance(address, str) else ""
