"""Network interfaces: their addresses, and which of them reach other machines."""

import socket
from collections.abc import Iterator
from contextlib import closing

from fringefleet.doctor.finding import Finding, note, ok, problem
from fringefleet.processes.dashboard import LOOPBACK
from fringefleet.processes.interfaces import read_interfaces

_SECONDS_TO_CONNECT = 2.0
_ELSEWHERE = "192.0.2.1", 9  # of no machine (RFC 5737); nothing is sent there


def examine_interfaces() -> Iterator[Finding]:
    """List the interfaces, and check that one reaches other machines."""
    found, default = read_interfaces(), _default_address()
    for interface in found:
        where = "this machine only" if interface.is_loopback else "other machines"
        if not (interface.is_loopback or interface.reaches_others):
            where = "no other machine" if interface.is_up else "nothing: it is down"
        where += ", the default" if default in interface.addresses else ""
        text = f"{', '.join(interface.addresses) or 'no address'}; reaches {where}"
        facts = interface._asdict() | {"reaches_others": interface.reaches_others}
        yield ok(interface.name, text, is_loopback=interface.is_loopback, **facts)
    usable = [interface.name for interface in found if interface.reaches_others]
    if not usable:
        yield note("others", "no interface reaches other machines: workers can only be on this one")
    elif len(usable) > 1:
        advice = "For workers elsewhere, as in Slurm, give the fastest that they share: --interface ib0, say."
        yield note("others", f"{', '.join(usable)} reach other machines", advice, interfaces=usable)


def _default_address() -> str | None:
    """Find the address from which this machine would send to others; None if it would not."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return None
        return str(probe.getsockname()[0])


def examine_loopback() -> Iterator[Finding]:
    """Connect through the loopback, as workers of this machine do."""
    try:
        with (
            closing(socket.create_server((LOOPBACK, 0))) as server,
            closing(socket.create_connection(server.getsockname(), _SECONDS_TO_CONNECT)),
        ):
            yield ok("loopback", f"a connection to {LOOPBACK} works")
    except OSError as error:
        yield problem(
            "loopback",
            f"no connection to {LOOPBACK}: {error}",
            "Bring the interface lo up, or let the firewall or the container pass it: workers of this "
            "machine talk to each other there. --workers 0 needs none.",
        )
