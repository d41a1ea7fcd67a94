"""The client that computes: the one that is current, and never threads in the place of one that was lost."""

import asyncio
import logging

import dask
import pytest
from dask.system import CPU_COUNT
from distributed import Client

import fringefleet
from fringefleet import pipeline
from fringefleet.errors import OptionError, RunError
from fringefleet.processes import clients
from fringefleet.processes.clients import current_client
from fringefleet.simulate import Scene, simulate_dataset
from polling import wait_until
from thread_workers import thread_cluster

pytestmark = pytest.mark.cluster
LINE = f"no Dask client: {CPU_COUNT} threads of this process"


SCENE = Scene(n_date=5, shape=(12, 10))


@pytest.fixture(autouse=True)
def no_client_of_other_tests():
    """One that was lost is not to be missed here; one that was closed is warned of."""
    clients._log_threads.cache_clear()
    before = set(Client._instances)
    for client in before:
        Client._instances.discard(client)
    yield
    Client._instances.update(before)


@pytest.fixture
def ours(caplog):
    logging.getLogger("fringefleet").propagate = True
    caplog.set_level(logging.INFO, logger="fringefleet")
    return caplog


@pytest.fixture
def job(stack, tmp_path):
    return fringefleet.Run(stack, tmp_path / "result.zarr", chunks=(6, 10))


def lost(state):
    """Make a client whose scheduler went away, as at the end of a job's time."""
    with thread_cluster(1) as cluster:
        client = Client(cluster.scheduler_address, timeout=1 if state == "closed" else 60)
    wait_until(lambda: client.status == state, 20, lambda: client.status)
    return client


@pytest.mark.parametrize("state", ["connecting", "closed"])
def test_a_lost_client_is_an_error_until_there_is_another_one_or_it_is_given_up(job, state, ours):
    client = lost(state)
    for _ in range(2):
        with pytest.raises(
            RunError, match=r"client has lost its scheduler at tcp://127.*scheduler='threads'"
        ):
            fringefleet.run(job)
        assert not job.output.exists()
    with pytest.raises(RunError, match="has lost its scheduler"), fringefleet.connect():
        pass
    with thread_cluster(1) as cluster, Client(cluster) as other:
        assert current_client() is other
        assert fringefleet.run(job).n_tile == 2
    assert LINE not in ours.messages
    with dask.config.set(scheduler="threads"):
        assert current_client() is None
    client.close()


def closed_by_itself(cluster):
    Client(cluster.scheduler_address).close()


def at_the_end_of_with(cluster):
    with Client(cluster.scheduler_address):
        pass


def with_its_cluster(_cluster):
    with thread_cluster(1) as own, Client(own):
        pass


def by_its_cluster(_cluster):
    with thread_cluster(1) as own:
        client = Client(own)
    wait_until(lambda: client.status == "closed", 20)


def shut_down(_cluster):
    with thread_cluster(1) as own:
        Client(own).shutdown()


@pytest.mark.parametrize(
    "close", [closed_by_itself, at_the_end_of_with, with_its_cluster, by_its_cluster, shut_down]
)
def test_after_a_client_that_the_program_closed_threads_compute_and_that_is_said(job, close, ours):
    with thread_cluster(1) as cluster:
        close(cluster)
        assert fringefleet.run(job).n_tile == 2
    assert ours.messages.count(LINE) == 1


def test_without_any_client_it_is_said_that_threads_compute(job, ours):
    fringefleet.run(job)
    (record,) = [record for record in ours.records if record.getMessage() == LINE]
    assert record.levelno == logging.INFO


@pytest.mark.parametrize("how", ["closed", "lost"])
def test_a_client_that_ends_between_the_check_and_the_work_is_an_error(job, how, monkeypatch):
    def check_and_lose(given):
        checked = pipeline_check(given)
        if how == "closed":
            client.close()
        else:
            cluster.close()
            wait_until(lambda: client.status != "running", 20)
        return checked

    pipeline_check = pipeline.check
    monkeypatch.setattr(pipeline, "check", check_and_lose)
    with thread_cluster(1) as cluster:
        client = Client(cluster.scheduler_address, timeout=1)
        with pytest.raises(RunError, match=r"was closed just before it was used|has lost its scheduler"):
            fringefleet.run(job)
    assert not job.output.exists()
    wait_until(lambda: client.status == "closed", 20)


def test_an_asynchronous_client_is_refused_with_a_sentence(job):
    async def run_with_it():
        with thread_cluster(1) as cluster:
            async with Client(cluster.scheduler_address, asynchronous=True):
                for use in (lambda: fringefleet.run(job), lambda: fringefleet.connect().__enter__()):
                    with pytest.raises(OptionError, match=r"^found Client\(asynchronous=True\), which only"):
                        use()

    asyncio.run(run_with_it())


def test_the_lazy_form_does_not_compute_in_threads_in_the_place_of_a_lost_client(ours):
    dataset, _ = simulate_dataset(Scene(n_date=5, shape=(12, 10)))
    with thread_cluster(1) as cluster:
        client = Client(cluster.scheduler_address, timeout=1)
        result = fringefleet.invert(dataset, chunks=(6, 10))
    wait_until(lambda: client.status == "closed", 20)
    with pytest.raises(RunError, match="has lost its scheduler"):
        result.compute()
    result.compute(scheduler="synchronous")
    with dask.config.set(scheduler="threads"):
        result.compute()
    client = Client(processes=False, dashboard_address=None)
    client.close()  # by the program
    result.compute()
    assert ours.messages.count(LINE) == 1
