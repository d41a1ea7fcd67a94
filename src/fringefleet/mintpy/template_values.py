"""Parsers of values in a MintPy template: words, numbers, files. Every parser takes a key and its text."""

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path

from fringefleet.errors import OptionError
from fringefleet.io.files.folder import is_there
from fringefleet.option_words import suggest

logger = logging.getLogger(__name__)

ValueParser = Callable[[str, str], object]

YES, NO = ("yes", "true"), ("no", "false", "none")
_WATER_MASK = "waterMask.h5"  # MintPy's name
JOB_QUEUES = ("slurm", "pbs", "lsf")
# Values that smallbaselineApp substitutes when it copies the template of a user into that of a project.
STANDARD = {"def": "auto", "default": "auto", "y": "yes", "on": "yes", "n": "no", "off": "no"}


def choice(choices: Mapping[str, object]) -> ValueParser:
    """Return the parser of a key that takes one of some words; MintPy's booleans are words, too."""
    words = {word.lower(): meaning for word, meaning in choices.items()}

    def read(key: str, value: str) -> object:
        if value.lower() in words:
            return words[value.lower()]
        hint = suggest(value, choices)
        raise OptionError(f"found {key} = {value!r}; use one of {', '.join(choices)}.{hint}")

    return read


def number(default: float | None, *, unset: tuple[str, ...] = ("auto",), least: float = 0) -> ValueParser:
    """Return the parser of a key that takes a number, or one of some words for its default."""

    def read(key: str, value: str) -> float | None:
        if value.lower() in unset:
            return default
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if not (math.isfinite(found) and found >= least):
            raise OptionError(f"found {key} = {value!r}; use a number of at least {least:g}, or auto.")
        return found

    return read


def whole_number(default: int, *, unset: tuple[str, ...] = ("auto",)) -> ValueParser:
    """Return the parser of a key that takes a whole number."""
    read_number = number(default, unset=unset)

    def read(key: str, value: str) -> int:
        found = read_number(key, value)
        if not isinstance(found, float | int) or found != int(found):
            raise OptionError(f"found {key} = {value!r}; use a whole number of at least 0, or auto.")
        return int(found)

    return read


def memory(key: str, value: str) -> float | None:
    """Parse a memory limit [GB]; None for ``auto``."""
    found = number(None)(key, value)
    if found == 0:
        raise OptionError(f"found {key} = {value!r}; use gigabytes above 0, or auto.")
    return found if isinstance(found, float) else None


def cluster(key: str, value: str) -> str:
    """Parse where to compute: ``local``, the name of a job queue, or the address of a scheduler."""
    if "://" in value:
        return value
    words = dict.fromkeys(("auto", "local", *NO), "local") | {name: name for name in JOB_QUEUES}
    return str(choice(words)(key, value))


def worker_count(key: str, value: str) -> str | None:
    """Parse a number of workers, ``all`` or a share of the cores such as ``80%``; None for ``auto``."""
    text = value.lower()
    if text == "auto":
        return None
    plain = text.removesuffix("%")
    share = text.endswith("%")
    if text != "all" and not (plain.isdecimal() and 1 <= int(plain) <= (100 if share else math.inf)):
        raise OptionError(
            f"found {key} = {value!r}; use a whole number of at least 1, all, a share of the cores from 1% "
            "to 100%, or auto."
        )
    return text


def section_name(_key: str, value: str) -> str | None:
    """Parse the name of a section of Dask's configuration of job queues; None for that of the queue."""
    return None if value.lower() in ("auto", *NO) else value


def water_mask(key: str, value: str, folder: Path) -> Path | None:
    """Return the water mask that a template names; ``auto`` is the one in the folder, if it exists.

    The same holds for its bare name, which MintPy writes for ``auto``.
    """
    if value.lower() in NO:
        return None
    beside = folder / _WATER_MASK
    if value.lower() == "auto" or value == _WATER_MASK:
        if not is_there(beside):
            logger.info("no %s: pixels on water are inverted, too", beside)
            return None
        value = beside.name
    path = folder / value
    if not (value and path.is_file()):
        raise OptionError(
            f"found {key} = {value!r}, but {path} does not exist; paths are relative to the folder of the "
            "project, or of the template. Correct the path, or write no for no water mask."
        )
    return path
