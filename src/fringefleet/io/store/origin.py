"""Origin of a result: the options and files that it was made with, recorded in it, and compared.

A run that resumes a result must have the same. Where it does not, the message names the option that differs,
or the files of the stack.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import zarr
from zarr.errors import BaseZarrError as ZarrError

from fringefleet.arguments.shapes import Pixel, Shape
from fringefleet.errors import OtherOriginError, StackFormatError
from fringefleet.io.files.listing import Difference, Listing, describe_differences, only_touched
from fringefleet.io.files.version import TOUCHED, FilesVersion, accepting_touched
from fringefleet.io.store.marks import IS_DONE, read_marks, tiles_in
from fringefleet.io.zarr.arrays import array_in
from fringefleet.io.zarr.files import windows_of_changes
from fringefleet.option_words import in_words_of_python, mark, option

_FACTS = "made_with"  # attribute of the group of the marks
PLACE = "progress"  # path of that group
_FILES = "stack_files"  # name of the list, and of the attribute that names the one that counts

DIGESTS = "digests"  # the fact with digests of values too long to be shown
_MAY_FOLLOW = ("looks", "wavelength", "number of dates", "number of pairs")  # may follow from other options
_BEGIN_ANEW = "give --overwrite or another name."
_REPEAT = f"Repeat the command that started it with --resume. Otherwise: {_BEGIN_ANEW}"


class SourceChange(Enum):
    """Accepted change of the files of a stack since a result was begun, in words."""

    NONE = "files of the stack are the same"
    TOUCHED = "modification times of files of the stack differ, and are accepted"
    UNREAD = "chunks of the stack differ that no finished tile was read from, and are accepted"


@dataclass(frozen=True, eq=False)
class Origin:
    """Origin of a result.

    Attributes
    ----------
    facts
        Options and what follows from them and from the stack, by the names of the options; plain values.
        Digests of values too long to be shown are under the name :data:`DIGESTS`.
    source
        Version of the files of the stack that are read.
    """

    facts: Mapping[str, Any]
    source: FilesVersion

    @property
    def fingerprint(self) -> str:
        """Digest of everything but times: the same facts and files yield the same 16 characters."""
        listing = self.source.listing
        text = json.dumps([self.facts, listing.names, listing.sizes.tolist()], sort_keys=True, default=str)
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def write_origin(group: zarr.Group, origin: Origin) -> None:
    """Record the origin of a result in it."""
    write_listing(group, origin.source.listing)
    place = group[PLACE]
    place.attrs[_FACTS] = json.dumps(origin.facts, sort_keys=True, default=str)


def write_listing(group: zarr.Group, listing: Listing) -> None:
    """Record in a result which files it was made from; if killed, it leaves the earlier record."""
    place, packed = group.require_group(PLACE), np.frombuffer(listing.encoded(), np.uint8)
    earlier = place.attrs.get(_FILES, _FILES if _FILES in place else None)
    name = f"{_FILES}_1" if earlier == _FILES else _FILES
    array = place.create_array(
        name, data=packed, chunks=packed.shape, compressors=None, overwrite=True, dimension_names=("byte",)
    )
    array.attrs["long_name"] = (
        "files of the stack with sizes and times, as packed by fringefleet.io.files.listing"
    )
    place.attrs[_FILES] = name
    if earlier is not None:
        del place[str(earlier)]


def read_listing(group: zarr.Group) -> Listing:
    """Read which files a result was made from.

    Raises
    ------
    StackFormatError
        It cannot be read.
    """
    name = group[PLACE].attrs.get(_FILES, _FILES)
    return Listing.decoded(np.asarray(array_in(group, f"{PLACE}/{name}")[:]).tobytes())


def check_same_origin(
    group: zarr.Group,
    origin: Origin,
    path: Any,
    *,
    accept_touched: bool,
    tile: Shape | None = None,
    corner: Pixel = (0, 0),
) -> SourceChange:
    """Reject resuming a result of another origin; return which change of its files is accepted.

    Parameters
    ----------
    group
        Group of the result.
    origin
        Origin that it would have now.
    path
        Path of the result, for the message.
    accept_touched
        Whether files of the stack that differ only in their modification time are accepted.
    tile
        Rows and columns of its tiles: chunks that no finished one was read from, such as a damaged one, may
        have been replaced. None: no file may.
    corner
        Row and column in the stack of the first pixel of the result.

    Raises
    ------
    OtherOriginError
        Names the option, or the files, that differ.
    """
    then = _read_facts(group, path)
    now = json.loads(json.dumps(dict(origin.facts), default=str))
    if unknown := sorted(then.keys() - now.keys()):
        raise _older(path, f"recorded {', '.join(unknown)}, unknown to this one")
    try:
        files = read_listing(group).differences(origin.source.listing)
    except (KeyError, StackFormatError, OSError, ValueError, ZarrError) as error:
        reason = f"it has lost the list of the files that it was made from ({error})"
        raise _refused(path, reason, _BEGIN_ANEW) from error
    others = _but_touched(files) if accept_touched else files
    is_acceptable = not others or (tile is not None and _are_unread(group, others, origin, tile, corner))
    is_changed = not (is_acceptable or only_touched(files))
    if options := _other_options(then, now) or ([] if is_changed else _other_values(then, now)):
        # Other options may read other variables, so that files are new or gone without a change of the stack.
        changed = [file for file in files if None not in (file.then, file.now)]
        also = f"; the stack differs, too: {describe_differences(changed)}" if changed else ""
        raise _refused(path, f"it was started with other options: found {', '.join(options)}{also}", _REPEAT)
    if not is_acceptable:
        raise _changed_stack(path, origin, others)
    if others:
        return SourceChange.UNREAD
    return SourceChange.TOUCHED if files else SourceChange.NONE


def _are_unread(
    group: zarr.Group, files: Sequence[Difference], origin: Origin, tile: Shape, corner: Pixel
) -> bool:
    """Return whether files are chunks that no finished tile was read from."""
    windows = windows_of_changes(files, origin.source.arrays, corner)
    if windows is None:  # what is not in tiles was written when the result was begun
        return False
    done = read_marks(group) == IS_DONE
    return not (done & tiles_in(windows, done.shape, tile)).any()


def _refused(path: Any, reason: str, remedy: str) -> OtherOriginError:
    error = OtherOriginError(f"{path} cannot be resumed: {reason}. {remedy}")
    error.reason = in_words_of_python(mark(reason))
    return error


def _older(path: Any, what: str) -> OtherOriginError:
    reason = f"it was made by an older version of fringefleet, which {what}"
    return _refused(path, reason, f"Finish it with that version. Otherwise: {_BEGIN_ANEW}")


def _read_facts(group: zarr.Group, path: Any) -> dict[str, Any]:
    try:
        found = json.loads(str(group[PLACE].attrs[_FACTS]))
    except (KeyError, ValueError, ZarrError) as error:
        raise _older(path, "did not record what it was made with") from error
    if not isinstance(found, dict):
        raise _refused(path, "the record of what it was made with cannot be read", _BEGIN_ANEW)
    return found


def _other_options(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Describe which options differ; facts that may follow from an option only if no other differs."""
    others = [name for name in {**now, **then} if name != DIGESTS and then.get(name) != now.get(name)]
    chosen = [name for name in others if name not in _MAY_FOLLOW] or others
    return [f"{option(name, _show(now.get(name)))} (it was {_show(then.get(name))})" for name in chosen]


def _other_values(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Describe which of the values that are too long to be shown differ."""
    before, after = (facts.get(DIGESTS) or {} for facts in (then, now))
    return [f"other values of {name}" for name in {**after, **before} if before.get(name) != after.get(name)]


def _show(value: Any) -> str:
    return "none" if value is None else " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _changed_stack(path: Any, origin: Origin, files: list[Difference]) -> OtherOriginError:
    reason = (
        f"the stack {origin.source.path} has changed since, and two versions would be mixed: "
        f"{describe_differences(files)}"
    )
    is_touched = only_touched(files)
    error = _refused(
        path, reason, f"{TOUCHED if is_touched else 'Restore the files.'} Otherwise: {_BEGIN_ANEW}"
    )
    error.is_touched = is_touched
    return error


def differences_now(source: FilesVersion, *, accept_touched: bool) -> list[Difference]:
    """List the files of a stack again, and return how they differ; touched ones may be accepted."""
    with accepting_touched(accept_touched):
        found = source.differences()
    return _but_touched(found) if accept_touched else found


def _but_touched(differences: list[Difference]) -> list[Difference]:
    return [difference for difference in differences if not difference.is_touched]
