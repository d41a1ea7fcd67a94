"""Network interfaces: which of them reach other machines, and which are named to the user."""

from fringefleet.processes import interfaces
from fringefleet.processes.interfaces import Interface, usable_interfaces


def test_an_interface_says_whom_it_reaches():
    cases = {
        ("127.0.0.1", "::1"): (True, False),
        ("10.0.0.3", "fe80::1"): (False, True),
        ("fe80::1",): (False, False),
        ("2001:db8::1",): (False, True),
        (): (False, False),
    }
    for addresses, wanted in cases.items():
        found = Interface("eth0", addresses, True)
        assert (found.is_loopback, found.reaches_others) == wanted
    assert not Interface("eth0", ("10.0.0.3",), False).reaches_others


def test_interfaces_are_named_that_reach_others_else_the_loopback(monkeypatch):
    loopback, down = Interface("lo", ("127.0.0.1",), True), Interface("ifb0", (), False)
    fast = Interface("ib0", ("10.0.0.3",), True)
    for there, named in (([loopback, down, fast], "ib0"), ([loopback, down], "lo")):
        monkeypatch.setattr(interfaces, "read_interfaces", lambda there=there: there)
        assert usable_interfaces() == named
