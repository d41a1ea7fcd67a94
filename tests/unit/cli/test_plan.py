"""A forecast as text and as plain values."""

import pytest

from fringefleet.cli.plan import as_plain, facts
from fringefleet.engine.timing import StageSeconds
from fringefleet.execution.estimate import Forecast
from fringefleet.execution.overhead import Overhead

GB = 10**9


@pytest.fixture
def needs():
    return {
        "bytes_read": 2 * GB,
        "bytes_written": GB,
        "memory_needed": GB,
        "memory_available": 4 * GB,
        "disk_needed": GB,
        "disk_free": 9 * GB,
        "work_seconds": 60.0,
    }


def forecast(needs, n_worker=3, **more):
    return Forecast((90, 60), 5, 9, (30, 30), 6, 4, n_worker, 1, 8, 3600, **needs, **more)


def test_what_workers_need(needs):
    assert dict(facts(forecast(needs))) == {
        "Scene": "90 x 60 pixels, 5 dates, 9 pairs",
        "Tiles": "4 of 6 to do, 30 x 30 pixels; 2 for each of 3 workers",
        "Threads": "8 of each worker, to read and write",
        "Read": "2 GB",
        "Write": "1 GB; on disk at most that, of 9 GB free",
        "Memory": "at most 1 GB for each worker, which has 4 GB",
    }


def test_threads_are_named_with_the_reason(needs):
    found = dict(facts(forecast(needs, 0), ": little work"))
    assert found["Workers"] == "none: threads of this process compute: little work"
    assert found["Tiles"].endswith("4 for each of 1 threads")


def test_gpus_and_unpacked_copies_are_named_where_there_are_any(needs):
    found = dict(facts(forecast(needs, bytes_unpacked=GB, gpu_memory_needed=GB, gpu_memory=2 * GB)))
    assert found["Unpack"] == "1 GB once, to the disk of the output; removed at the end"
    assert found["GPU"] == "at most 1 GB of memory for each worker, besides CUDA itself, which has 2 GB"
    needs["memory_available"] = None
    found = dict(facts(forecast(needs, gpu_memory_needed=GB)))
    assert found["Memory"] == "at most 1 GB for each worker"
    assert "which has" not in found["GPU"]


def test_times_of_all_stages_and_their_sum(needs):
    seconds = StageSeconds(read=1.0, solve=70.0, write=0.01)
    found = dict(facts(forecast(needs, seconds=seconds, overhead=Overhead(2.0, 0.5))))
    assert found["Time"] == (
        "about 0:01:14 (start 2 s, read 1 s, copy 0 s, solve 0:01:10, write less than 0.1 s, wait 0 s, end "
        "0.5 s) if all workers are like this machine and do not slow each other down"
    )
    found = dict(facts(forecast(needs, seconds=StageSeconds(read=1.0))))
    assert found["Time"].startswith("about 1 s (read 1 s,")
    assert "from when the workers are there, if" in found["Time"]


def test_plain_values_have_the_sum_of_what_was_measured(needs):
    plain = as_plain(forecast(needs, seconds=StageSeconds(read=1.0001), overhead=Overhead(2.0, 0.5)))
    assert (plain["seconds"]["read"], plain["overhead"]) == (1.0, {"start": 2.0, "end": 0.5})
    assert (plain["wall_seconds"], plain["tiles_of_a_worker"]) == (3.5, 2)
    quick = as_plain(forecast(needs))
    assert quick["seconds"] is None
    assert "wall_seconds" not in quick
