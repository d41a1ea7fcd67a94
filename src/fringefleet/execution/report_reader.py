"""Reader of the report of an interrupted run: validated as a whole, or ignored.

Everything that goes into the next report is checked before the work, because an error in it would otherwise
end the run when its report is written.
"""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fringefleet.engine.timing import StageSeconds
from fringefleet.errors import StackFormatError
from fringefleet.execution.report import FORMAT, ReportRecord
from fringefleet.io.checks.door import readable
from fringefleet.io.files.text_file import read_text_file
from fringefleet.status import Status

logger = logging.getLogger(__name__)

_MOST_BYTES = 1024**3  # size of a report of a million tiles
_MOST = 2**63  # of any number; sums of more are no longer finite

Checks = Mapping[str, Callable[[Any], bool]]  # of the members of a record, by name


def read_report(path: Path, fingerprint: str) -> ReportRecord | None:
    """Read and validate the report of the run that is resumed; None if missing, damaged or of another run.

    A damaged report causes a warning.
    """
    if not path.exists():
        return None
    try:
        found: ReportRecord = json.loads(read_text_file(path, most=_MOST_BYTES))
        if found["format"] != FORMAT or found["fingerprint"] != fingerprint:
            logger.warning("the report %s belongs to another run and is replaced", path)
            return None
        _bring_up_to_date(found)
        _check_undamaged(found)
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        RecursionError,
        StackFormatError,
        AttributeError,
    ) as error:
        logger.warning("the report %s of the previous run cannot be read and is replaced: %r", path, error)
        return None
    for run in found["runs"]:
        if run["state"] == "running":  # it was killed
            run["state"] = "interrupted"
    return found


def load_report(path: Path) -> ReportRecord:
    """Read the report of a run, whatever became of it.

    Raises
    ------
    StackFormatError
        There is none, or it is damaged or of another version.
    """
    if not path.exists():
        raise StackFormatError(f"found no report {path}, which every run leaves beside its output.")
    with readable(f"the report {path}"):
        found: ReportRecord = json.loads(read_text_file(path, most=_MOST_BYTES))
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']}, not {FORMAT}")
        _bring_up_to_date(found)
        _check_undamaged(found)
    return found


def _bring_up_to_date(found: ReportRecord) -> None:
    """Rename entries of earlier versions to current names, and set what they did not measure to zero."""
    for tile in found["tiles"]:
        if "not_bridged" in (pixels := tile.get("pixels") or {}):
            pixels["not_gap_filled"] = pixels.pop("not_bridged")
        if isinstance(seconds := tile.get("seconds"), dict):
            seconds.setdefault("wait", 0.0)


def _check_undamaged(found: ReportRecord) -> None:
    json.dumps(found, allow_nan=False)  # JSON has no NaN, and Python reads it nevertheless
    for name, is_whole in (("runs", _is_run), ("workers", _is_record), ("tiles", _is_tile)):
        records = found[name]
        if not isinstance(records, list):
            raise TypeError(f"{name} is no list")
        for number, record in enumerate(records):
            if not is_whole(record):
                raise ValueError(f"{name}[{number}] is damaged")


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < _MOST


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_text_or_none(value: Any) -> bool:
    return value is None or _is_text(value)


def _is_count_or_none(value: Any) -> bool:
    return value is None or _is_count(value)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_count, value))


def _are_pixels(value: Any) -> bool:
    names = {status.name.lower() for status in Status}
    return isinstance(value, dict) and value.keys() <= names and all(map(_is_count, value.values()))


def _are_seconds(value: Any) -> bool:
    return _is_record(value, dict.fromkeys(StageSeconds._fields, _is_number))


RUN: Checks = {
    "began": _is_text,
    "host": _is_text,
    "pid": _is_count,
    "state": _is_text,
    "wall_seconds": _is_number,
}
_PLACE: Checks = {"tile": _is_pair, "rows": _is_pair, "columns": _is_pair}
_FAILED: Checks = {**_PLACE, "run": _is_count, "error": _is_text, "attempts": _is_count}
_COUNTED: Checks = {**_PLACE, "pixels": _are_pixels}  # by what the output says of it
_TIMED: Checks = {
    **_COUNTED,
    "run": _is_count,
    "seconds": _are_seconds,
    "bytes_read": _is_count,
    "bytes_written": _is_count,
    "infinite": _is_count,
    "attempts": _is_count,
}
_BY_WHOM: Checks = {
    "host": _is_text,
    "pid": _is_count,
    "worker": _is_text_or_none,
    "address": _is_text_or_none,
    "gpu": _is_text_or_none,
    "gpu_peak_bytes": _is_count_or_none,
}


def _is_record(value: Any, needed: Checks | None = None, allowed: Checks | None = None) -> bool:
    """Return whether a value is a map with all required members, and no invalid optional ones."""
    return (
        isinstance(value, dict)
        and all(name in value and check(value[name]) for name, check in (needed or {}).items())
        and all(check(value[name]) for name, check in (allowed or {}).items() if name in value)
    )


def _is_run(value: Any) -> bool:
    return _is_record(value, RUN, {"computed_by": _is_text})


def _is_tile(value: Any) -> bool:
    if not _is_record(value, {"state": _is_text}):
        return False
    if value["state"] == "done":
        return _is_record(value, _TIMED if "seconds" in value else _COUNTED, _BY_WHOM)
    return value["state"] == "failed" and _is_record(value, _FAILED)
