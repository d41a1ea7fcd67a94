"""Loggers of Dask that are silent for a while, where what they would say is said by us, once."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def hushed(names: Sequence[str]) -> Iterator[None]:
    """Let loggers say nothing; those below them are silent unless they have a level of their own."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
