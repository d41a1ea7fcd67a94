"""Folders of one process each: kept as long as it lives, removed when it is dead."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from fringefleet.io.store import lock_file
from fringefleet.io.store.lock import lock_path
from fringefleet.io.store.owned import owned_folder, remove_left_behind

HOLD = """
import sys
from pathlib import Path
from fringefleet.io.store.owned import owned_folder
with owned_folder(Path(sys.argv[1])) as folder:
    (folder / "timeseries.h5").touch()
    print(folder.name, flush=True)
    sys.stdin.read()
"""
UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


@contextmanager
def holder(base, *before):
    """A process that has a folder."""
    command = [*before, sys.executable, "-c", HOLD, base]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, base / process.stdout.readline().strip()
        finally:
            process.kill()


def names(base):
    return sorted(path.name for path in base.iterdir())


def test_a_folder_is_there_for_this_user_alone_and_goes_with_its_lock(tmp_path):
    with owned_folder(tmp_path) as folder:
        assert names(tmp_path) == sorted([folder.name, lock_path(folder).name])
        assert folder.stat().st_mode & 0o777 == 0o700
        remove_left_behind(tmp_path)
        assert folder.is_dir()
    assert names(tmp_path) == []


def test_a_living_process_keeps_its_folder_and_a_killed_one_does_not(tmp_path):
    with holder(tmp_path) as (process, folder):
        os.kill(process.pid, signal.SIGSTOP)
        remove_left_behind(tmp_path)
        assert folder.is_dir()
        process.kill()
        process.wait()
        assert folder.is_dir()
        with owned_folder(tmp_path) as ours:
            assert names(tmp_path) == sorted([ours.name, lock_path(ours).name])
    assert names(tmp_path) == []


def can_unshare():
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="no namespace of processes can be made here (unshare --pid)")
def test_a_process_of_another_namespace_keeps_its_folder_as_long_as_it_gives_signs_of_life(tmp_path):
    with holder(tmp_path, *UNSHARE) as (process, folder):
        remove_left_behind(tmp_path)
        assert folder.is_dir()
        process.kill()
        process.wait()
        remove_left_behind(tmp_path)
        assert folder.is_dir()  # nobody can see from here that it is dead
        long_ago = time.time() - 2 * lock_file.SECONDS_TO_LIVE
        os.utime(lock_path(folder), (long_ago, long_ago))
        remove_left_behind(tmp_path)
    assert names(tmp_path) == []


def test_what_is_of_others_or_of_nobody_is_left_alone(tmp_path, monkeypatch):
    kept = [".fringefleet-notes", ".fringefleet-plan.zarr", f".fringefleet-{15 * '0'}"]
    for name in kept:
        (tmp_path / name).mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    (tmp_path / f".fringefleet-{16 * '1'}").symlink_to(elsewhere)
    remove_left_behind(tmp_path)
    assert {*kept, "elsewhere", f".fringefleet-{16 * '1'}"} == set(names(tmp_path))
    assert names(elsewhere) == ["precious"]
    left = tmp_path / f".fringefleet-{16 * '2'}"
    left.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: left.stat().st_uid + 1)
    remove_left_behind(tmp_path)
    assert left.is_dir()
