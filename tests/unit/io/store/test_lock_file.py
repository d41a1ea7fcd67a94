"""A file that one process has at a time, whoever else wants it, at whatever moment, and whatever fails."""

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from fringefleet.errors import DiskFullError, OutputInUseError
from fringefleet.io.store import lock_file
from fringefleet.io.store.lock_file import SECONDS_TO_LIVE, inspect_lock, leave, owner_of, sweep, take
from fringefleet.io.store.owner import Owner


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lock"


@pytest.fixture(params=["links", "no links"])
def links(request, monkeypatch):
    """A file system with links, and one without."""
    if request.param == "no links":
        monkeypatch.setattr(os, "link", failing(errno.EPERM))


def failing(number):
    def fail(*_args, **_options):
        raise OSError(number, os.strerror(number))

    return fail


def dead(path):
    """Leave a file of a process that has ended."""
    owner = replace(Owner.here(), born="1")
    path.write_text(owner.text())
    return owner


@pytest.mark.usefixtures("links")
def test_one_has_it_until_it_leaves(path):
    first, second = Owner.here(), Owner.here()
    assert take(path, first) is None
    assert owner_of(path) == first
    assert take(path, second).owner == first
    leave(path, second)
    assert owner_of(path) == first
    leave(path, first)
    assert take(path, second) is None
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.usefixtures("links")
def test_it_is_taken_over_from_the_dead(path, caplog):
    gone, heir = dead(path), Owner.here()
    assert take(path, heir) is None
    assert owner_of(path) == heir
    assert f"taking over from a dead run: {gone}" in caplog.text
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOSPC])
def test_an_error_while_it_is_made_leaves_the_file_of_another_alone(path, monkeypatch, number):
    other = Owner.here()
    take(path, other)
    monkeypatch.setattr(Path, "open", failing(number))
    with pytest.raises(OSError, match=r"\w"):
        take(path, Owner.here())
    monkeypatch.undo()
    assert owner_of(path) == other
    assert list(path.parent.iterdir()) == [path]


def test_an_interrupt_while_it_is_made_leaves_the_file_of_another_alone(path, monkeypatch):
    other = Owner.here()
    take(path, other)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", interrupt)
    with pytest.raises(KeyboardInterrupt):
        take(path, Owner.here())
    assert owner_of(path) == other
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("where", [(Path, "open"), (os, "link")])
def test_a_disk_without_room_for_it_is_said_to_be_full(path, monkeypatch, where):
    monkeypatch.setattr(*where, failing(errno.ENOSPC))
    with pytest.raises(DiskFullError, match=rf"the disk of {path} is full"):
        take(path, Owner.here())
    monkeypatch.undo()
    assert list(path.parent.iterdir()) == []


def test_a_full_disk_keeps_nobody_from_leaving(path, monkeypatch):
    owner = Owner.here()
    take(path, owner)
    monkeypatch.setattr(os, "link", failing(errno.ENOSPC))
    leave(path, owner)
    assert list(path.parent.iterdir()) == []


def test_who_found_it_dead_before_it_was_taken_over_does_not_take_it_again(path):
    dead(path)
    early, late = Owner.here(), Owner.here()
    as_it_was = inspect_lock(path)
    assert take(path, early) is None
    assert lock_file._take_over(path, as_it_was, late) == (False, None)
    assert owner_of(path) == early


def test_a_file_that_has_not_been_written_yet_is_not_taken_for_the_unreadable_one_before(path):
    path.touch()
    os.utime(path, (0, 0))
    as_it_was = inspect_lock(path)
    assert not as_it_was.counts
    path.unlink()
    path.touch()
    assert lock_file._take_over(path, as_it_was, Owner.here()) == (False, None)
    assert path.read_bytes() == b""


def test_who_is_just_taking_over_is_who_has_it(path):
    gone, heir = dead(path), Owner.here()
    claim = path.with_name(f"lock.{gone.run}")
    take(claim, heir)
    assert take(path, Owner.here()).owner == heir
    assert owner_of(path) == gone


def test_who_died_taking_over_is_taken_over_from_as_well(path):
    gone, heir = dead(path), Owner.here()
    dead(path.with_name(f"lock.{gone.run}"))
    assert take(path, heir) is None
    assert owner_of(path) == heir
    assert list(path.parent.iterdir()) == [path]


def test_what_the_dead_left_is_swept_up_and_what_may_be_used_stays(path):
    owner = Owner.here()
    take(path, owner)
    old, young, claim = (path.with_name(f"lock.{name}") for name in ("old", "young", owner.run))
    for left in (old, young, claim):
        left.touch()
    for left in (old, claim):
        os.utime(left, (time.time() - SECONDS_TO_LIVE - 10,) * 2)
    sweep(path, owner)
    assert set(path.parent.iterdir()) == {path, young, claim}


def test_a_link_to_nothing_is_refused_and_not_waited_for(path):
    path.symlink_to("nowhere")
    with pytest.raises(OutputInUseError, match=f"{path} can neither be created nor read"):
        take(path, Owner.here())


def test_who_leaves_lets_finish_who_is_taking_over(path, monkeypatch):
    monkeypatch.setattr(lock_file, "_SECONDS_TO_WAIT", 5.0)
    owner, heir = Owner.here(), Owner.here()
    take(path, owner)
    claim = path.with_name(f"lock.{owner.run}")
    take(claim, heir)
    with ThreadPoolExecutor() as pool:
        leaving = pool.submit(leave, path, owner)
        time.sleep(0.2)
        assert owner_of(path) == owner
        path.write_text(heir.text())
        leave(claim, heir)
        leaving.result()
    assert owner_of(path) == heir
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.usefixtures("links")
def test_of_many_that_take_it_over_again_and_again_one_has_it_at_a_time(path):
    dead(path)
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(take_turns, [path] * 4))
    assert sum(counts) > 4
    assert list(path.parent.iterdir()) == []


def take_turns(path):
    """Take a file again and again for a second, and leave it or be dead; count how often it was ours."""
    n, end = 0, time.monotonic() + 1
    alone = path.with_name("alone")
    while time.monotonic() < end or path.exists():
        owner = Owner.here()
        if take(path, owner) is None:
            alone.touch(exist_ok=False)
            n += 1
            alone.unlink()
            if n % 2 and time.monotonic() < end:
                (aside := path.with_name(f"aside.{owner.run}")).write_text(replace(owner, born="1").text())
                aside.replace(path)
            else:
                leave(path, owner)
    return n
