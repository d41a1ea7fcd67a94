"""Seconds that the set-up of a big network takes: the network itself, its parts, its elimination plan.

    pytest tests/benchmarks/test_plan.py -n 0 --benchmark-enable --benchmark-json=all.json

Without ``--benchmark-enable`` every case runs once, on a few dates.
"""

import os

import numpy as np
import pytest

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from machine import commit, cpu_model
from named_networks import by_gap, scattered

N_DATE = 1000
NETWORKS = {
    "98 dates, 3 neighbours": lambda n_date: by_gap(min(n_date, 98), 1, 2, 3),
    "1000 dates, 4 neighbours, annual": lambda n_date: by_gap(n_date, 1, 2, 3, 4, 30, 31),
    "1000 dates, 30 neighbours": lambda n_date: by_gap(n_date, *range(1, 31)),
    "1000 dates, 5000 scattered pairs": lambda n_date: scattered(n_date, 5 * n_date),
}


@pytest.fixture(params=NETWORKS)
def columns(request, benchmark):
    """The two dates of every pair."""
    pairs = np.array(NETWORKS[request.param](40 if benchmark.disabled else N_DATE))
    days = np.datetime64("1995-01-01", "s") + pairs * np.timedelta64(6 * 86400, "s")
    if benchmark.enabled:
        benchmark.extra_info.update(
            network=request.param,
            n_pair=len(pairs),
            machine=f"{cpu_model()}, {os.cpu_count()} logical CPUs",
            load=round(os.getloadavg()[0], 2),
            commit=commit(),
        )
    return days.T


def test_a_network_is_built(benchmark, columns):
    network = benchmark(Network.from_dates, *columns)
    assert network.n_pair == len(columns[0])


def test_the_parts_of_a_network_are_labelled(benchmark, columns):
    labels = benchmark(Network.from_dates(*columns).component_labels)
    assert (labels == 0).all()


def test_an_elimination_is_planned(benchmark, columns):
    network = Network.from_dates(*columns)
    plan = benchmark.pedantic(plan_elimination.__wrapped__, (network,), rounds=5, warmup_rounds=1)
    assert plan.n_slot >= network.n_pair
    if benchmark.enabled:
        benchmark.extra_info.update(n_slot=plan.n_slot, n_update=sum(len(t.mesh) for t in plan.turns))
