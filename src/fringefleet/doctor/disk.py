"""Disks: speed, free space and file system of the current folder and of that for temporary files."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import IO, NamedTuple

import dask
import psutil

from fringefleet.doctor.finding import Finding, note, ok, problem, with_unit

_MOST_BYTES = 2**28  # that are written
_MOST_OF_FREE = 0.01
_BLOCK = 2**22  # [byte] written and synced at once
_SECONDS = 0.7  # to write; and as many to read
_SLOW = 30e6  # [byte/s]
_LITTLE = 2**30  # [byte] free


class Speed(NamedTuple):
    """Measured speed of a disk [byte/s], by a file of ``n_byte``."""

    n_byte: int
    write: float
    read: float


def measure_disk(folder: Path, seconds: float = _SECONDS, most: int = _MOST_BYTES) -> Speed:
    """Write a file without a name, which the system removes however this process ends, and read it back.

    Parameters
    ----------
    folder
        Where to write.
    seconds
        Limit of the time to write, and of that to read [s]; a block that was begun is finished.
    most
        Limit of its size [byte].

    Raises
    ------
    OSError
        The folder cannot be written to, or gives back something else.
    """
    block = os.urandom(_BLOCK)  # which no file system compresses
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        n_byte, written = _write(file, block, seconds, most)
        with suppress(OSError, AttributeError):  # else memory would be read
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        n_read, start = 0, perf_counter()
        while n_read < n_byte and perf_counter() - start < seconds:
            if file.read(_BLOCK) != block:
                raise OSError(f"{folder} gives back other bytes than were written")
            n_read += _BLOCK
        return Speed(n_byte, n_byte / written, n_read / max(perf_counter() - start, 1e-6))


def _write(file: IO[bytes], block: bytes, seconds: float, most: int) -> tuple[int, float]:
    n_byte, start = 0, perf_counter()
    while n_byte == 0 or (n_byte + _BLOCK <= most and perf_counter() - start < seconds):
        if file.write(block) != _BLOCK:
            raise OSError("only a part of a block could be written")
        os.fsync(file.fileno())
        n_byte += _BLOCK
    return n_byte, max(perf_counter() - start, 1e-6)


def examine_current_folder() -> Iterator[Finding]:
    """Examine the disk of the current folder, where results often go."""
    try:
        folder = Path.cwd()
    except OSError as error:
        yield problem("current folder", f"it is gone: {error.strerror}", "Change to a folder that is there.")
        return
    yield _check_folder("current folder", folder, is_needed=False)


def examine_temporary_folder() -> Iterator[Finding]:
    """Examine the disk of the folder for temporary files, which each worker needs."""
    said = dask.config.get("temporary-directory", None)
    try:
        folder = Path(said or tempfile.gettempdir())
    except OSError as error:
        yield problem(
            "temporary folder",
            f"there is none: {error.strerror or error}",
            "Set TMPDIR to a folder that you can write to: workers keep files there.",
        )
        return
    yield _check_folder("temporary folder", folder, is_needed=True)


def _check_folder(name: str, folder: Path, *, is_needed: bool) -> Finding:
    facts = {"folder": str(folder), "file_system": _file_system(folder), "is_writable": False}
    advice = "Set TMPDIR to another folder: workers keep files there." if is_needed else ""
    try:
        free = shutil.disk_usage(folder).free
        speed = measure_disk(folder, most=min(_MOST_BYTES, int(_MOST_OF_FREE * free)))
    except OSError as error:
        text = f"{folder} ({facts['file_system']}) cannot be written to: {error.strerror or error}"
        if is_needed:
            return problem(name, text, advice, **facts)
        return note(name, text, "Give outputs in another folder.", **facts)
    facts |= {"is_writable": True, "free": free} | speed._asdict()
    rates = f"writes {with_unit(speed.write)}/s and reads {with_unit(speed.read)}/s"
    text = f"{folder} ({facts['file_system']}), {with_unit(free)} free, {rates}"
    if free < _LITTLE:
        return note(
            name, f"{text}: it is nearly full", advice or "Remove files, or use another disk.", **facts
        )
    if min(speed.write, speed.read) < _SLOW:
        return note(
            name, f"{text}: it is slow", advice or "Use a faster disk for stacks and results.", **facts
        )
    return ok(name, text, **facts)


def _file_system(folder: Path) -> str:
    """Find the kind of the file system that a folder is on, such as nfs4 or lustre."""
    with suppress(OSError, RuntimeError):
        above = {str(path) for path in (folder.resolve(), *folder.resolve().parents)}
        mounted = [disk for disk in psutil.disk_partitions(all=True) if disk.mountpoint in above]
        if mounted:
            return str(max(mounted, key=lambda disk: len(disk.mountpoint)).fstype)
    return "file system not known"
