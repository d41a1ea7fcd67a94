import pytest

from fringefleet.errors import OptionError
from fringefleet.execution.job import FailurePolicy
from fringefleet.execution.retry import MAX_CONSECUTIVE_FAILURES, Attempt, Failure, RetryQueue
from fringefleet.execution.tile import Tile


def tile(number: int) -> Tile:
    return Tile((0, number), slice(0, 8), slice(8 * number, 8 * number + 8))


def queue(n_tile: int, **policy) -> RetryQueue:
    return RetryQueue([(tile(number), None) for number in range(n_tile)], FailurePolicy(**policy))


def numbers(attempts) -> list[int]:
    return [attempt.tile.number[1] for attempt in attempts]


def test_no_more_are_handed_in_than_are_asked_for():
    todo = queue(5)
    assert numbers(todo.take(2, 0, 0.0)) == [0, 1]
    assert numbers(todo.take(0, 2, 0.0)) == []
    assert numbers(todo.take(9, 2, 0.0)) == [2, 3, 4]


def test_a_tile_is_tried_again_after_longer_and_longer_pauses_and_then_given_up():
    todo = queue(2, retries=3)
    first, _ = todo.take(2, 0, 0.0)
    pauses = []
    now = 0.0
    for _ in range(3):
        pauses.append(todo.failed(first, now, killed=False))
        assert numbers(todo.take(2, 1, now + pauses[-1] - 0.01)) == []
        assert todo.seconds_to_wait(now) == pauses[-1]
        now += pauses[-1]
        (first,) = todo.take(2, 1, now)
    assert pauses == [0.5, 1.0, 2.0]
    assert first.number == 4
    assert todo.failed(first, now, killed=False) is None
    assert todo.n_retried == 3


def test_a_pause_has_a_limit():
    todo = queue(1, retries=30)
    assert todo.failed(Attempt(tile(0), None, number=30), 0.0, killed=False) == 30.0


def test_tiles_whose_workers_died_are_tried_one_at_a_time_when_all_others_are_done():
    todo = queue(3, retries=0)
    killer, innocent, _ = todo.take(3, 0, 0.0)
    todo.failed(killer, 0.0, killed=True)
    todo.failed(innocent, 0.0, killed=True)
    assert list(todo.take(3, 1, 1.0)) == []
    todo.succeeded()
    (isolated,) = todo.take(3, 0, 1.0)
    assert isolated == killer._replace(number=2, isolated=True)
    assert list(todo.take(3, 1, 1.0)) == []
    assert todo.failed(isolated, 2.0, killed=True) is None
    todo.mark_failed(Failure(isolated.tile, "died"))
    assert numbers(todo.take(3, 0, 2.0)) == [innocent.tile.number[1]]
    todo.succeeded()
    assert not todo.has_work


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_where_worker_after_worker_dies_it_is_found_out_alone_who_kills_them(on_error):
    todo = queue(100, on_error=on_error)
    first = list(todo.take(MAX_CONSECUTIVE_FAILURES + 1, 0, 0.0))
    for attempt in first[:MAX_CONSECUTIVE_FAILURES]:
        todo.failed(attempt, 0.0, killed=True)
    assert list(todo.take(9, 1, 0.0)) == []  # and not the hundred others
    todo.failed(first[MAX_CONSECUTIVE_FAILURES], 0.0, killed=True)
    for attempt in first:
        assert todo.has_work
        (isolated,) = todo.take(9, 0, 0.0)
        assert isolated.tile == attempt.tile
        assert todo.failed(isolated, 0.0, killed=True) is None
        todo.mark_failed(Failure(isolated.tile, "died"))
        if todo.is_aborted:
            break
    assert len(todo.failed_tiles) == MAX_CONSECUTIVE_FAILURES
    assert list(todo.take(9, 0, 0.0)) == []


def test_after_a_success_the_others_are_handed_in_again():
    todo = queue(100, on_error="skip")
    for attempt in list(todo.take(MAX_CONSECUTIVE_FAILURES, 0, 0.0)):
        todo.failed(attempt, 0.0, killed=True)
    (isolated,) = todo.take(1, 0, 0.0)
    todo.succeeded()
    assert isolated.isolated
    assert numbers(todo.take(2, 0, 0.0)) == [MAX_CONSECUTIVE_FAILURES, MAX_CONSECUTIVE_FAILURES + 1]


@pytest.mark.parametrize(
    ("on_error", "n_done", "hopeless"), [("stop", 1, True), ("skip", 1, False), ("skip", 0, True)]
)
def test_where_nothing_succeeds_no_more_are_tried(on_error, n_done, hopeless):
    todo = queue(100, on_error=on_error, retries=0)
    attempts = list(todo.take(2 * MAX_CONSECUTIVE_FAILURES, 0, 0.0))
    for _ in range(n_done):
        attempts.pop()
        todo.succeeded()
    for attempt in attempts[:MAX_CONSECUTIVE_FAILURES]:
        assert not todo.is_aborted
        todo.mark_failed(Failure(attempt.tile, "broken"))
    assert todo.is_aborted == hopeless
    assert bool(list(todo.take(1, 0, 0.0))) != hopeless


def test_a_success_renews_hope():
    todo = queue(100, retries=0)
    attempts = list(todo.take(2 * MAX_CONSECUTIVE_FAILURES - 1, 0, 0.0))
    for number, attempt in enumerate(attempts):
        if number == MAX_CONSECUTIVE_FAILURES - 1:
            todo.succeeded()
        else:
            todo.mark_failed(Failure(attempt.tile, "broken"))
    assert not todo.is_aborted
    assert len(todo.failed_tiles) == 2 * MAX_CONSECUTIVE_FAILURES - 2


def test_what_means_nothing_is_refused():
    with pytest.raises(OptionError, match="'ignore'; use one of stop, skip"):
        FailurePolicy("ignore")
    with pytest.raises(OptionError, match="retries = -1; give 0 or more"):
        FailurePolicy(retries=-1)
