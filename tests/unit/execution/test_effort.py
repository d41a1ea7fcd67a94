"""Which runs need no workers: on either side of the limit, and what there may be of memory."""

from dataclasses import replace

import pytest
from dask.system import CPU_COUNT

from fringefleet import Options, Run
from fringefleet.cluster import ClusterOptions
from fringefleet.execution import effort
from fringefleet.execution.check import check
from fringefleet.execution.effort import SECONDS_TO_START, in_threads, needs_no_workers, predicted_work
from fringefleet.execution.estimate import forecast
from fringefleet.session.early import LARGE_ON_DISK, MOST_FILES, begins_early, is_evidently_large
from fringefleet.session.fitting import why_here, without_needless_workers
from fringefleet.simulate import Scene

SCENE = Scene(n_date=6, shape=(24, 20), seed=1)
ENOUGH = 64 * 10**9  # [byte]
LOCAL = ClusterOptions("local")


def checked(stack, tmp_path, **options):
    return check(Run(stack, tmp_path / "out.zarr", Options(**options), chunks=(12, 20)))


def test_work_below_what_a_worker_takes_to_start_needs_none_and_work_above_it_does(
    stack, tmp_path, monkeypatch
):
    found = checked(stack, tmp_path)
    work = predicted_work(found)
    assert 0 < work < SECONDS_TO_START
    for limit, is_small in ((work, False), (work * 1.0001, True)):
        monkeypatch.setattr(effort, "SECONDS_TO_START", limit)
        assert needs_no_workers(found, ENOUGH) == is_small
        run, workers, _ = without_needless_workers(found, LOCAL, is_asked_for=False)
        assert (workers.n_worker == 0) == is_small
        assert run == (in_threads(found) if is_small else found)


def test_work_grows_with_all_that_a_run_has_more_of(stack, tmp_path):
    found = checked(stack, tmp_path)
    more = [
        {"norm": "l1"},
        {"solver": "dense"},
        {"dem_error": True},
        {"std": True},
        {"covariance": True},
        {"diagnose": True},
        {"dtype": "float64"},
    ]
    assert all(
        predicted_work(checked(stack, tmp_path, **options)) > predicted_work(found) for options in more
    )
    many = replace(found, n_left=100 * found.n_left, n_tile=100 * found.n_tile)
    assert predicted_work(many) > predicted_work(found) + 190 * effort.SECONDS_OF_TILE
    assert predicted_work(replace(found, n_left=1)) == pytest.approx(predicted_work(found) / 2)
    assert predicted_work(replace(found, n_left=0)) == 0


def test_a_wide_network_is_more_work_than_a_narrow_one_of_as_many_pairs(tmp_path):
    from fringefleet.network.elimination_order import plan_elimination
    from fringefleet.network.network import Network

    days = tuple(f"2018-01-{day:02d}T00:00:00" for day in range(1, 11))
    every = Network(days, tuple((i, j) for i in range(10) for j in range(i + 1, 10)))
    assert effort.count_updates(plan_elimination(every)) == sum(n * (n - 1) // 2 for n in range(10))


def test_a_gpu_and_what_the_memory_is_not_enough_for_keep_their_workers(stack, tmp_path):
    found = checked(stack, tmp_path)
    needed = in_threads(found).memory_needed
    assert needs_no_workers(found, needed)
    assert not needs_no_workers(found, needed - 1)
    on_gpu = replace(found, job=replace(found.job, options=Options(device="cuda")))
    assert not needs_no_workers(on_gpu, ENOUGH)


def test_memory_is_that_of_as_many_tiles_as_there_are_threads_for(stack, tmp_path):
    found = checked(stack, tmp_path)
    assert in_threads(found).means.n_thread == min(CPU_COUNT, found.n_left)
    assert in_threads(replace(found, n_left=1)).means.n_thread == 1
    assert in_threads(replace(found, n_left=0)).means.n_thread == 1
    here = forecast(in_threads(found), 0, ENOUGH)
    assert (here.n_worker, here.tiles_of_a_worker) == (0, -(-found.n_left // here.n_thread))
    assert here.work_seconds == predicted_work(found)
    assert here.memory_needed >= forecast(found, 1, ENOUGH).memory_needed


@pytest.mark.parametrize(
    "workers",
    [
        ClusterOptions("slurm"),
        ClusterOptions("tcp://h:1"),
        ClusterOptions("current"),
        ClusterOptions("s.json"),
    ],
)
def test_only_workers_of_this_machine_are_done_without(workers, stack, tmp_path):
    found = checked(stack, tmp_path)
    assert without_needless_workers(found, workers, is_asked_for=False)[:2] == (found, workers)


def test_who_asks_for_workers_has_them_and_who_asks_for_none_has_none(stack, tmp_path, monkeypatch):
    found = checked(stack, tmp_path)
    assert without_needless_workers(found, LOCAL, is_asked_for=True)[:2] == (found, LOCAL)
    none = ClusterOptions("local", 0)
    monkeypatch.setattr(effort, "SECONDS_TO_START", 0)
    assert without_needless_workers(found, none, is_asked_for=True)[:2] == (in_threads(found), none)
    assert (why_here(2 * SECONDS_TO_START), "less than" in why_here(0.1)) == ("", True)


ASKED = [
    {"cluster": "local"},
    {"n_worker": 2},
    {"worker_memory": "1GB"},
    {"interface": "lo"},
    {"tls": False},
    {"dashboard": True},
    {"wait_seconds": 9},
    {"options": {"name": "x"}},
]


@pytest.mark.parametrize("said", ASKED)
def test_whatever_is_said_of_workers_asks_for_them_and_begins_them_early(said, tmp_path):
    wanted, stack = ClusterOptions(**said), tmp_path / "no.zarr"
    assert wanted.is_asked_for
    assert begins_early(wanted, stack)
    assert not begins_early(wanted, stack, resumes=True)


def test_without_a_wish_workers_are_begun_early_where_it_is_plain_that_they_are_of_use(tmp_path):
    wanted, stack = ClusterOptions(), tmp_path / "stack.h5"
    assert not wanted.is_asked_for
    assert not begins_early(wanted, stack)
    assert begins_early(replace(wanted, device="cuda"), stack)
    assert begins_early(wanted, stack, is_asked_for=True)
    assert not begins_early(ClusterOptions(n_worker=0), stack)
    for size, is_large in ((LARGE_ON_DISK, False), (LARGE_ON_DISK + 1, True)):
        with stack.open("wb") as file:
            file.truncate(size)  # which takes no room
        assert begins_early(wanted, stack) == is_large


def test_a_folder_is_large_by_the_first_of_its_files(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    assert not is_evidently_large(tmp_path)
    for number in range(4):
        with (tmp_path / "deep" / "er" / f"{number}").open("wb") as file:
            file.truncate(LARGE_ON_DISK // 4)
    assert not is_evidently_large(tmp_path)
    (tmp_path / "one.more").write_bytes(b"1")
    assert is_evidently_large(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert is_evidently_large(tmp_path / "gone") is False
    assert MOST_FILES > 100
