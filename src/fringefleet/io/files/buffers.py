"""Reusable memory of a thread for what it reads and decodes."""

import threading

import numpy as np
from numpy.typing import NDArray

_MOST_IDLE = 64 * 1024**2  # [byte] of a buffer that a thread keeps


class _Buffers(threading.local):
    def __init__(self) -> None:
        self.kept: dict[str, NDArray[np.uint8]] = {}


_buffers = _Buffers()


def buffer(purpose: str, n_byte: int) -> NDArray[np.uint8]:
    """Return uninitialised bytes, valid until this thread asks again for the same purpose."""
    kept = _buffers.kept.get(purpose)
    if kept is None or kept.size < n_byte:
        kept = np.empty(n_byte, np.uint8)
        if n_byte <= _MOST_IDLE:
            _buffers.kept[purpose] = kept
    return kept[:n_byte]
