"""Checks of what strangers could reach: protocols without TLS, and the dashboard, which knows no password."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import zip_longest
from typing import Any

from fringefleet.errors import OptionError

ENCRYPTED = ("tls", "wss", "inproc")  # the last never leaves its process
TABLES = ("scheduler_kwargs", "scheduler_options")
ADDRESSES = ("host", "contact_address")  # which may begin with a protocol
UCX = ("enable_tcp_over_ucx", "enable_infiniband", "enable_nvlink")  # each makes it the protocol
WORKER_ADDRESSES = ("--host", "--contact-address", "--listen-address")
DASHBOARD = ("dashboard", "dashboard_address", "worker_dashboard_address")
WORKER_DASHBOARD = ("--dashboard", "--dashboard-address")


def check_protocols(options: Mapping[str, Any]) -> None:
    """Refuse keywords of a cluster after which it would speak without TLS.

    Raises
    ------
    OptionError
        Says which.
    """
    for name, protocol in _protocols(options):
        check_protocol(f"{name} = {protocol!r}", protocol)


def check_protocol(found: str, protocol: str) -> None:
    """Refuse a protocol that has no TLS.

    Raises
    ------
    OptionError
        Says ``found``, and what to do.
    """
    if protocol.partition("://")[0] not in ENCRYPTED:
        raise OptionError(
            f"found {found}, which has no TLS: whoever can reach it could run code as you. Leave it out, or "
            "choose a protocol with TLS, or give --no-tls (in Python tls=False) where you trust all who can."
        )


def check_running_protocol(address: str, tls: bool | None) -> None:
    """Refuse the address of a scheduler that speaks otherwise than it should.

    A scheduler of one's own at ``tcp://`` goes, as whoever starts it decides.

    Raises
    ------
    OptionError
        Says what was found.
    """
    protocol = address.partition("://")[0]
    if tls is False and protocol == "tls":
        raise OptionError(
            f"found --no-tls (tls = False), and {address}, which has TLS; leave one of them out."
        )
    if tls is None and protocol != "tcp":
        check_protocol(address, protocol)


def check_dashboard(options: Mapping[str, Any]) -> None:
    """Refuse keywords for a dashboard where none was asked for.

    Raises
    ------
    OptionError
        Says which.
    """
    for name, value in _nested(options):
        key = name.rpartition(".")[2]
        if key in DASHBOARD and value:
            raise _without_dashboard(f"{name} = {value!r}")
    for word, _ in _worker_words(options):
        if word in WORKER_DASHBOARD:
            raise _without_dashboard(f"{word} in worker_extra_args")


def wants_worker_dashboard(options: Mapping[str, Any]) -> bool:
    """Whether a dashboard of every worker is asked for, beside that of the scheduler."""
    in_words = any(word in WORKER_DASHBOARD for word, _ in _worker_words(options))
    return in_words or options.get("worker_dashboard_address") is not None


def _without_dashboard(found: str) -> OptionError:
    return OptionError(
        f"found {found}, and the dashboard, which knows no password, is off; give --dashboard (in Python "
        "dashboard=True) with it, or leave it out."
    )


def _protocols(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find what chooses a protocol, and which."""
    for name, value in _nested(options):
        key = name.rpartition(".")[2]
        if value and (key == "protocol" or (key in ADDRESSES and "://" in str(value))):
            yield name, str(value)
        if key in UCX and value:
            yield name, "ucx"
    for word, value in _worker_words(options):
        if word == "--protocol" or (word in WORKER_ADDRESSES and "://" in value):
            yield f"{word} in worker_extra_args", value


def _nested(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Find all keywords, those for the scheduler included."""
    for name, value in options.items():
        if name in TABLES and isinstance(value, Mapping):
            yield from ((f"{name}.{key}", item) for key, item in value.items())
        else:
            yield name, value


def _worker_words(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find the options of a worker's command line, each with its value, "" if it has none."""
    items = options.get("worker_extra_args")
    words: list[str] = []
    for item in items if isinstance(items, list | tuple) else [items or ""]:
        with suppress(ValueError):  # a quotation that does not end is refused by whoever writes the script
            words += shlex.split(str(item))
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        name, equals, value = word.partition("=")
        yield name, value if equals else following
