import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, replace

import pytest

from fringefleet.errors import OutputInUseError, RunError
from fringefleet.io.store import lock as locks
from fringefleet.io.store.lock import check_not_in_use, lock_path, locked
from fringefleet.io.store.lock_file import SECONDS_TO_LIVE, owner_of
from fringefleet.io.store.owner import Owner
from polling import wait_until

HOLD = """
import sys, time
from pathlib import Path
from fringefleet.io.store.lock import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def output(tmp_path):
    return tmp_path / "result.zarr"


@contextmanager
def holding(output):
    """Have another process hold the lock."""
    with subprocess.Popen([sys.executable, "-c", HOLD, output], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "locked\n"
            yield process
        finally:
            process.kill()


def left_behind(output, owner, age=0.0):
    path = lock_path(output)
    path.write_text(json.dumps(asdict(owner)))
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_one_holds_it_and_the_next_is_told_who(output):
    with locked(output) as lock:
        lock.check()
        told = rf"process {os.getpid()} on .* last seen 0 s ago"
        with pytest.raises(OutputInUseError, match=told), locked(output):
            pass
        assert owner_of(lock_path(output)) == lock.owner
        assert list(output.parent.iterdir()) == [lock_path(output)]
    assert list(output.parent.iterdir()) == []
    with locked(output):
        pass


def test_a_process_that_was_killed_is_seen_to_be_dead(output):
    with holding(output) as process:
        with pytest.raises(OutputInUseError, match=f"process {process.pid} "):
            check_not_in_use(output)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert check_not_in_use(output).pid == process.pid  # a zombie
    assert check_not_in_use(output).pid == process.pid
    with locked(output) as lock:
        assert lock.owner.pid == os.getpid()
    assert list(output.parent.iterdir()) == []


def test_a_process_of_this_machine_that_is_stopped_keeps_it_however_long(output):
    with holding(output) as process:
        process.send_signal(signal.SIGSTOP)
        os.utime(lock_path(output), (0, 0))
        told = rf"process {process.pid} on .* It is alive, .* kill {process.pid}\."
        with pytest.raises(OutputInUseError, match=told), locked(output):
            pass
        assert owner_of(lock_path(output)).pid == process.pid


def test_a_pid_that_is_another_process_now_is_no_owner(output):
    here = Owner.here()
    left_behind(output, replace(here, born="1"))
    assert check_not_in_use(output) == replace(here, born="1")
    left_behind(output, here)
    with pytest.raises(OutputInUseError):
        check_not_in_use(output)


def test_of_another_machine_the_heartbeat_decides(output):
    there = replace(Owner.here(), host="node17", machine="node17 boot", pid=1)
    left_behind(output, there, SECONDS_TO_LIVE - 20)
    with pytest.raises(OutputInUseError, match=r"process 1 on node17, since .* last seen 1\d\d s ago"):
        check_not_in_use(output)
    left_behind(output, there, SECONDS_TO_LIVE + 20)
    with locked(output) as lock:
        assert lock.owner.host != "node17"


@pytest.mark.parametrize("text", ["", "[]", '{"run": "../x", "host": "", "pid": 1}'])
def test_a_lock_that_cannot_be_read_counts_as_long_as_it_is_young(output, text):
    path = lock_path(output)
    path.write_text(text)
    with pytest.raises(OutputInUseError, match="unknown"):
        check_not_in_use(output)
    os.utime(path, (0, 0))
    with locked(output):
        assert owner_of(path).pid == os.getpid()


def test_the_heart_beats_and_a_lock_that_was_taken_ends_the_run(output, monkeypatch):
    beat_fast(monkeypatch)
    with locked(output) as lock:
        path = lock_path(output)
        os.utime(path, (0, 0))
        wait_until(lambda: time.time() - path.stat().st_mtime < 60, 5)
        other = replace(lock.owner, run="another", pid=7)
        left_behind(output, other)
        lock._thread.join(5)
        with pytest.raises(RunError, match=r"process 7 on .* has taken over"):
            lock.check()
    assert owner_of(path) == other  # it is not ours to remove


def test_a_lock_that_was_removed_ends_the_run(output, monkeypatch):
    beat_fast(monkeypatch)
    with locked(output) as lock:
        lock_path(output).unlink()
        lock._thread.join(5)
        with pytest.raises(RunError, match="it was removed"):
            lock.check()


def test_a_lock_that_cannot_be_read_for_a_while_is_not_lost(output, monkeypatch):
    beat_fast(monkeypatch)
    path = lock_path(output)
    with locked(output) as lock:
        whole = path.read_bytes()
        path.unlink()
        path.mkdir()  # reading it fails, as it may on a network
        time.sleep(0.2)
        path.rmdir()
        path.write_bytes(whole)
        os.utime(path, (0, 0))
        wait_until(lambda: time.time() - path.stat().st_mtime < 60, 5)
        lock.check()
    assert not path.exists()


def beat_fast(monkeypatch):
    monkeypatch.setattr(locks, "SECONDS_BETWEEN_BEATS", 0.02)
    monkeypatch.setattr(locks, "SECONDS_TO_LOOK_AGAIN", 0.1)


def test_it_is_beside_the_output_also_where_that_is_a_link(output, tmp_path):
    output.mkdir()
    (tmp_path / "link.zarr").symlink_to(output)
    assert lock_path(tmp_path / "link.zarr") == tmp_path / ".result.zarr.lock"
