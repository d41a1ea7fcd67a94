"""Checks of what strangers could reach: protocols without TLS, and the dashboard, which knows no password.

Each raises an ``OptionError`` that says what was found.
"""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import zip_longest
from typing import Any

from fringefleet.errors import OptionError

_ENCRYPTED = ("tls", "wss", "inproc")  # the last never leaves its process
_TABLES = ("scheduler_kwargs", "scheduler_options")
_ADDRESSES = ("host", "contact_address", "listen_address")  # which may begin with a protocol
_UCX = ("enable_tcp_over_ucx", "enable_infiniband", "enable_nvlink")  # each makes it the protocol
_DASHBOARD = ("dashboard", "dashboard_address", "worker_dashboard_address")
_OF_WORKERS = " in worker_extra_args"


def check_protocols(options: Mapping[str, Any]) -> None:
    """Refuse keywords of a cluster after which it would speak without TLS."""
    for found, keyword, value in _said(options):
        if value and keyword in _UCX:
            check_protocol(f"{found} = 'ucx'", "ucx")
        if value and (keyword == "protocol" or (keyword in _ADDRESSES and "://" in str(value))):
            check_protocol(f"{found} = {value!r}", str(value))


def check_protocol(found: str, protocol: str) -> None:
    """Refuse a protocol that has no TLS; ``found`` says where it was found."""
    if protocol.partition("://")[0] not in _ENCRYPTED:
        raise OptionError(
            f"found {found}, which has no TLS: whoever can reach it could run code as you. Leave it out, or "
            "choose a protocol with TLS, or give --no-tls where you trust all who can."
        )


def check_running_protocol(address: str, tls: bool | None) -> None:
    """Refuse the address of a scheduler that speaks otherwise than it should.

    A scheduler of one's own at ``tcp://`` goes, as whoever starts it decides.
    """
    protocol = address.partition("://")[0]
    if tls is False and protocol == "tls":
        raise OptionError(f"found --no-tls, and {address}, which has TLS; leave one of them out.")
    if tls is None and protocol != "tcp":
        check_protocol(address, protocol)


def check_dashboard(options: Mapping[str, Any]) -> None:
    """Refuse keywords for a dashboard where none was asked for."""
    for found, keyword, value in _said(options):
        if keyword in _DASHBOARD and value:
            raise OptionError(
                f"found {found} = {value!r}, and the dashboard, which knows no password, is off; give "
                "--dashboard with it, or leave it out."
            )


def wants_worker_dashboard(options: Mapping[str, Any]) -> bool:
    """Whether a dashboard of every worker is asked for, beside that of the scheduler."""
    in_words = (word for found, word, _ in _said(options) if found.endswith(_OF_WORKERS))
    return options.get("worker_dashboard_address") is not None or any(word in _DASHBOARD for word in in_words)


def _said(options: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Find all keywords, those for the scheduler and for the worker's command line included.

    Each comes with where it was found and its value; an option of a command line that has none with True.
    """
    for name, value in options.items():
        if name == "worker_extra_args":
            yield from (
                (f"{word}{_OF_WORKERS}", word.replace("-", "_"), item) for word, item in _words(value)
            )
        elif name in _TABLES and isinstance(value, Mapping):
            yield from ((f"{name}.{key}", key, item) for key, item in value.items())
        else:
            yield name, name, value


def _words(items: Any) -> Iterator[tuple[str, str | bool]]:
    words: list[str] = []
    for item in items if isinstance(items, list | tuple) else [items or ""]:
        with suppress(ValueError):  # a quotation that does not end is refused by whoever writes the script
            words += shlex.split(str(item))
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        name, equals, value = word.partition("=")
        if name.startswith("--"):
            yield name[2:], (value if equals else following) or True
