"""Files with compiled code: whatever is wrong with a file, a folder or a lock, there is just no code."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from fringefleet.solver.compiled import code_files
from fringefleet.solver.compiled.code_files import VARIABLE, find_folders, locked_code, read_code, write_code

NAME, CODE = "kernel-0123", bytes(range(256)) * 40
NOBODY = 65534


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that the user names; what it is not fit for goes to one for temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "compiled"


@contextmanager
def nobody():
    """Be a user who may write nowhere; who is none of ours may not be root."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_was_written_is_read(folder):
    assert read_code(NAME) is None
    assert write_code(NAME, CODE) == folder / f"{NAME}.code"
    assert read_code(NAME) == CODE
    assert read_code("kernel-0124") is None
    assert [path.name for path in folder.iterdir()] == [f"{NAME}.code"]


def flipped(content, at):
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


BROKEN = {
    "empty": lambda _: b"",
    "truncated": lambda content: content[:-1],
    "longer": lambda content: content + b"\0",
    "half": lambda content: content[: len(content) // 2],
    "head only": lambda content: content[:30],
    "garbage": lambda _: os.urandom(10_000),
    "text": lambda _: b"not found\n",
    "flipped in the head": lambda content: flipped(content, 3),
    "flipped in the checksum": lambda content: flipped(content, 40),
    "flipped in the name": lambda content: flipped(content, 53),
    "flipped in the code": lambda content: flipped(content, 5000),
    "flipped at the end": lambda content: flipped(content, len(content) - 1),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_no_code_and_is_replaced(kind, folder):
    path = write_code(NAME, CODE)
    path.write_bytes(BROKEN[kind](path.read_bytes()))
    assert read_code(NAME) is None
    assert write_code(NAME, CODE) == path
    assert read_code(NAME) == CODE


def test_the_file_of_another_name_is_no_code(folder):
    path = write_code(NAME, CODE)
    path.rename(folder / "other.code")
    assert read_code("other") is None


def make_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def make_pipe(path):
    path.unlink()
    os.mkfifo(path)


def make_folder(path):
    path.unlink()
    path.mkdir()


def let_all_write(path):
    path.chmod(0o666)


def let_group_write(path):
    path.chmod(0o664)


def let_all_write_to_the_folder(path):
    path.parent.chmod(0o777)


def make_huge(path):
    with path.open("r+b") as file:
        file.truncate(2**27)


def give_away(path):
    if os.geteuid():
        pytest.skip("only root can give files away")
    os.chown(path, NOBODY, NOBODY)


def give_the_folder_away(path):
    if os.geteuid():
        pytest.skip("only root can give files away")
    os.chown(path.parent, NOBODY, NOBODY)


@pytest.mark.parametrize(
    "spoil",
    [
        make_link,
        make_pipe,
        make_folder,
        let_all_write,
        let_group_write,
        let_all_write_to_the_folder,
        make_huge,
        give_away,
        give_the_folder_away,
    ],
)
def test_what_others_may_have_written_is_no_code_and_code_can_be_kept_all_the_same(spoil, folder):
    path = write_code(NAME, CODE)
    spoil(path)
    assert read_code(NAME) is None
    with locked_code(NAME, 0.5):
        assert write_code(NAME, CODE) is not None  # here, or in a folder for temporary files
    assert read_code(NAME) == CODE


def test_permissive_masks_let_nobody_write(folder):
    before = os.umask(0)
    try:
        path = write_code(NAME, CODE)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o022 == folder.stat().st_mode & 0o022 == 0
    assert read_code(NAME) == CODE


def test_a_folder_that_is_only_to_be_read_is_read(monkeypatch):
    with tempfile.TemporaryDirectory() as name:  # that nobody may look into, unlike tmp_path
        cache, other = Path(name) / "cache", Path(name) / "other"
        monkeypatch.setenv(VARIABLE, str(cache))
        path = write_code(NAME, CODE)
        other.mkdir(mode=0o777)
        other.chmod(0o777)
        for closed in (Path(name), cache, path.parent):
            closed.chmod(0o555)
        try:
            monkeypatch.setattr(tempfile, "tempdir", str(other))
            with nobody():
                assert read_code(NAME) == CODE
                with locked_code("new") as place:
                    assert "Permission denied" in place.why
                    assert write_code("new", CODE).is_relative_to(other)
                assert read_code("new") == CODE
        finally:
            for closed in (Path(name), cache, path.parent):
                closed.chmod(0o755)


NO_FOLDER = {  # FILE is a file
    "below a file": {VARIABLE: "FILE/cache"},
    "is a file": {VARIABLE: "FILE"},
    "below the impossible": {VARIABLE: "/proc/no/such"},
    "of a name that is too long": {VARIABLE: f"/tmp/{'x' * 300}"},
    "home that is not there": {"HOME": "/proc/nowhere"},
    "home of nothing": {"HOME": ""},
    "caches that are not absolute": {"XDG_CACHE_HOME": "caches", "HOME": "/proc/nowhere"},
}


@pytest.mark.parametrize("kind", NO_FOLDER)
def test_a_folder_that_cannot_be_is_no_error(kind, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for name in (VARIABLE, "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in NO_FOLDER[kind].items():
        monkeypatch.setenv(name, value.replace("FILE", str(tmp_path / "file")))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    assert read_code(NAME) is None
    with locked_code(NAME) as place:
        assert place.folder is None
        assert write_code(NAME, CODE) is None
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert write_code(NAME, CODE).is_relative_to(tmp_path / f"fringefleet-{os.geteuid()}")
    assert read_code(NAME) == CODE


def test_a_disk_that_is_full_halfway_is_no_error_and_nothing_is_left(folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(CODE) // 2, hard))
    try:
        assert write_code(NAME, CODE) is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(folder.iterdir()) == []
    assert read_code(NAME) is None


def test_folders_are_found_by_our_variable_then_by_those_of_others():
    every = {VARIABLE: "/ours", "NUMBA_CACHE_DIR": "/numba", "XDG_CACHE_HOME": "/caches", "HOME": "/home/me"}
    firsts = []
    for name in list(every):
        firsts.append(str(find_folders(every)[0]))
        del every[name]
    assert firsts == [
        "/ours/compiled",
        "/numba/fringefleet/compiled",
        "/caches/fringefleet/compiled",
        "/home/me/.cache/fringefleet/compiled",
    ]
    assert len(find_folders({})) == 2  # the system knows who we are


def test_what_nobody_has_used_for_long_is_removed(folder):
    old = [write_code(f"old-{number}", CODE) for number in range(3)]
    part = folder / "old.code.0123.part"
    part.write_bytes(b"begun")
    foreign = folder / "notes.txt"
    foreign.write_text("mine")
    long_ago = time.time() - 100 * 86400
    for path in (*old, part, foreign):
        os.utime(path, (long_ago, long_ago))
    assert read_code("old-0") == CODE  # so it is used
    write_code(NAME, CODE)
    assert {path.name for path in folder.iterdir()} == {"old-0.code", f"{NAME}.code", "notes.txt"}


# --- locks ------------------------------------------------------------------------------------------------

HOLD = """
import sys, time
from fringefleet.solver.compiled.code_files import locked_code
with locked_code(sys.argv[1]) as place:
    print("mine", flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(name=NAME):
    process = subprocess.Popen([sys.executable, "-c", HOLD, name], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "mine\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def seconds_to_lock(name=NAME, seconds=60.0):
    begin = time.monotonic()
    with locked_code(name, seconds):
        return time.monotonic() - begin


def test_a_lock_is_waited_for_no_longer_than_was_said_and_others_not_at_all(folder):
    with holder() as process:
        assert seconds_to_lock("other") < 1
        assert 0.5 < seconds_to_lock(seconds=0.5) < 5
        os.kill(process.pid, signal.SIGSTOP)
        assert 0.5 < seconds_to_lock(seconds=0.5) < 5


def test_the_dead_keep_nobody_waiting(folder):
    with holder() as process:
        process.kill()
        process.wait()
        assert list(folder.iterdir()) == [folder / f"{NAME}.lock"]
        assert seconds_to_lock() < 5
    assert list(folder.iterdir()) == []


def test_a_file_system_without_locks_has_none(folder, monkeypatch):
    def none(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(code_files.fcntl, "lockf", none)
    with locked_code(NAME) as place:
        assert place == (folder, "")
    assert write_code(NAME, CODE).parent == folder
