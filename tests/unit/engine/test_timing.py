"""Seconds of the stages, one inside another."""

from contextlib import suppress
from time import perf_counter, sleep

import pytest

from fringefleet.engine.timing import Stopwatch


def test_a_stage_inside_another_counts_for_itself_only():
    watch, start = Stopwatch(), perf_counter()
    with watch.time("solve"):
        sleep(0.02)
        for _ in range(2):
            with watch.time("copy"):
                sleep(0.03)
    whole = perf_counter() - start
    assert watch.seconds.copy >= 0.06
    assert watch.seconds.solve >= 0.02
    assert sum(watch.seconds) == pytest.approx(whole, abs=0.005)
    assert watch.seconds.read == watch.seconds.write == 0


def test_a_stage_that_fails_has_taken_its_time():
    watch, start = Stopwatch(), perf_counter()
    with suppress(OSError), watch.time("write"):
        sleep(0.02)
        raise OSError
    with watch.time("solve"):
        sleep(0.01)
    assert watch.seconds.write >= 0.02
    assert watch.seconds.solve >= 0.01
    assert sum(watch.seconds) == pytest.approx(perf_counter() - start, abs=0.005)
