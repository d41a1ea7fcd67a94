"""Keywords by which strangers could come in: refused unless somebody says that they may."""

import dask
import pytest
from distributed import LocalCluster, Scheduler

from fringefleet.arguments.known import known_keywords
from fringefleet.cluster import ClusterOptions
from fringefleet.cluster.security import running_security
from fringefleet.cluster.slurm.script import plan_jobs
from fringefleet.errors import OptionError

PLAIN = ("tcp", "tcp://", "ucx", "ucxx", "ucx://", "ws", "ws://")


def words(*texts):
    return {"worker_extra_args": list(texts)}


def ways_to_say(protocol):
    """All keywords by which a protocol is chosen, for each kind of cluster."""
    address = f"{protocol.removesuffix('://')}://10.0.0.1"
    for kind, table in (("local", "scheduler_kwargs"), ("slurm", "scheduler_options")):
        yield kind, {table: {"protocol": protocol}}
        yield kind, {table: {"host": address}}
        yield kind, {table: {"contact_address": address}}
    for kind in ("local", "local-cuda"):
        yield kind, {"protocol": protocol}
        yield kind, {"host": address}
    for option in ("--host", "--contact-address", "--listen-address"):
        yield "slurm", words(option, address)
        yield "slurm", words(f"--nanny {option}={address}")
    yield "slurm", words(f"--protocol {protocol}")
    yield "slurm", words(f"--protocol={protocol}")


@pytest.mark.parametrize("protocol", PLAIN)
def test_a_protocol_without_tls_is_refused_however_it_is_said(protocol):
    for kind, options in ways_to_say(protocol):
        with pytest.raises(OptionError, match=r"has no TLS: whoever .* give tls = False where"):
            ClusterOptions(kind, options=options)
        assert ClusterOptions(kind, options=options, tls=False).options == options


@pytest.mark.parametrize("protocol", ["tls", "tls://", "wss"])
def test_a_protocol_with_tls_is_none_to_refuse(protocol):
    for kind, options in ways_to_say(protocol):
        assert ClusterOptions(kind, options=options).is_encrypted


@pytest.mark.parametrize("name", ["enable_tcp_over_ucx", "enable_infiniband", "enable_nvlink"])
def test_what_makes_ucx_the_protocol_is_refused(name):
    with pytest.raises(OptionError, match=f"found {name} = 'ucx', which has no TLS"):
        ClusterOptions("local-cuda", options={name: True})
    assert ClusterOptions("local-cuda", options={name: False}).is_encrypted
    assert not ClusterOptions("local-cuda", options={name: True}, tls=False).is_encrypted


@pytest.mark.parametrize("address", ["ucx://h:1", "ws://h:1", "whatever://h:1"])
def test_an_address_without_tls_is_refused_but_that_of_ones_own_scheduler(address):
    with pytest.raises(OptionError, match=f"found {address}, which has no TLS"):
        ClusterOptions(address)
    assert ClusterOptions(address, tls=False).cluster == address
    assert ClusterOptions("tcp://h:1").cluster == "tcp://h:1"
    with pytest.raises(OptionError, match=f"found {address}, which has no TLS"):
        running_security(ClusterOptions("scheduler.json"), address)
    with pytest.raises(OptionError, match="found tls = False, and tls://h:1, which has TLS"):
        ClusterOptions("tls://h:1", tls=False)


DASHBOARDS = [
    *(("local", {name: ":8787"}) for name in known_keywords(LocalCluster) if "dashboard" in name),
    *(
        ("local", {"scheduler_kwargs": {name: ":1"}})
        for name in known_keywords(Scheduler)
        if "dashboard" in name
    ),
    *(
        ("slurm", {"scheduler_options": {name: ":1"}})
        for name in known_keywords(Scheduler)
        if "dashboard" in name
    ),
    ("slurm", words("--dashboard")),
    ("slurm", words("--dashboard-address :8787")),
    ("slurm", words("--nanny", "--dashboard-address=:8787")),
]


@pytest.mark.parametrize(("kind", "options"), DASHBOARDS, ids=str)
def test_what_is_for_a_dashboard_is_refused_unless_one_is_asked_for(kind, options):
    with pytest.raises(OptionError, match="knows no password, is off; give dashboard = True with it"):
        ClusterOptions(kind, options=options)
    assert ClusterOptions(kind, options=options, dashboard=True).dashboard


def test_the_configuration_of_the_site_brings_no_protocol_either():
    pytest.importorskip("dask_jobqueue")
    for said in ({"scheduler-options": {"protocol": "ucx"}}, {"worker-extra-args": ["--protocol", "ucx"]}):
        with dask.config.set({f"jobqueue.slurm.{name}": value for name, value in said.items()}):
            with pytest.raises(OptionError, match=r"= 'ucx', which has no TLS"):
                plan_jobs(ClusterOptions("slurm", interface="lo"))
            assert plan_jobs(ClusterOptions("slurm", interface="lo", tls=False)).n_job == 1
