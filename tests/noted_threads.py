"""Threads that a worker has while it writes chunks: its own, and those that each library would use."""

import threading
from typing import Any

import torch
from numcodecs import blosc

from fringefleet.io.zarr.chunk_files import ChunkFiles

_noted: list[dict[str, int]] = []


def note_threads() -> None:
    """Let the process that this is called in note them whenever it writes a chunk."""
    write = ChunkFiles.write

    def noted(files: Any, *given: Any, **said: Any) -> int:
        pool = [thread for thread in threading.enumerate() if thread.name.startswith("fringefleet-chunks")]
        _noted.append(threads_of_libraries() | {"pool": len(pool)})
        return write(files, *given, **said)

    ChunkFiles.write = noted  # type: ignore[method-assign]


def noted_threads() -> list[dict[str, int]]:
    return _noted


def threads_of_libraries() -> dict[str, int]:
    found = {"torch": torch.get_num_threads(), "blosc": blosc.get_nthreads() if blosc.use_threads else 1}
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return found
    return found | {info["prefix"]: info["num_threads"] for info in threadpool_info()}
