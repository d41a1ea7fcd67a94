"""Network interfaces of this machine: their addresses, and which of them reach other machines."""

import ipaddress
import socket
from typing import NamedTuple

import psutil

from fringefleet.errors import OptionError


class Interface(NamedTuple):
    """Network interface with its IP addresses."""

    name: str
    addresses: tuple[str, ...]
    is_up: bool

    @property
    def is_loopback(self) -> bool:
        """Whether it reaches this machine only."""
        return any(ipaddress.ip_address(address).is_loopback for address in self.addresses)

    @property
    def has_ipv4(self) -> bool:
        """Whether it has an address of IPv4, which Dask needs."""
        return any(ipaddress.ip_address(address).version == 4 for address in self.addresses)

    @property
    def reaches_others(self) -> bool:
        """Whether it is up with an address under which other machines can find it."""
        found = map(ipaddress.ip_address, self.addresses)
        return self.is_up and any(not (it.is_loopback or it.is_link_local) for it in found)


def read_interfaces() -> list[Interface]:
    """List the network interfaces of this machine."""
    states = psutil.net_if_stats()
    return [
        Interface(
            name,
            tuple(
                it.address.partition("%")[0] for it in found if it.family in (socket.AF_INET, socket.AF_INET6)
            ),
            name in states and states[name].isup,
        )
        for name, found in psutil.net_if_addrs().items()
    ]


def check_interface(name: str, needed: str) -> None:
    """Check that this machine has an interface, with an address of IPv4, which Dask needs.

    Raises
    ------
    OptionError
        States what is ``needed``.
    """
    there = {interface.name: interface for interface in read_interfaces()}
    if name in there and there[name].has_ipv4:
        return
    found = f"network interface {name!r} on this machine"
    raise OptionError(f"found no {'IPv4 address of the ' * (name in there)}{found}; {needed}")


def usable_interfaces() -> str:
    """Name the interfaces by which other machines reach this one; without any, the loopback interface."""
    found = [interface for interface in read_interfaces() if interface.has_ipv4]
    others = [interface.name for interface in found if interface.reaches_others]
    return ", ".join(others or [interface.name for interface in found if interface.is_loopback])


def interfaces_here() -> str:
    """Name all interfaces by which workers of this machine can talk to each other."""
    return ", ".join(found.name for found in read_interfaces() if found.is_up and found.has_ipv4)
