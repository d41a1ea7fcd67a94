"""Origin of a result: the options and the files that it was made with, noted in it, and compared.

A run that goes on with a result must have the same. Where it has not, the message says which option differs,
or which files of the stack, and not only that something does.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from zarr.errors import BaseZarrError as ZarrError

from fringefleet.errors import OtherOriginError, StackFormatError
from fringefleet.io.files.listing import Difference, Listing, describe_differences, only_touched
from fringefleet.io.files.version import TOUCHED, FilesVersion, accepting_touched
from fringefleet.io.zarr.arrays import array_in
from fringefleet.option_words import in_words_of_python, mark, option

_FACTS = "made_with"  # attribute of the group of the marks
PLACE = "progress"  # that group
_FILES = "progress/stack_files"

DIGESTS = "digests"  # the fact that has those of what is too long to be said
_MAY_FOLLOW = ("looks", "wavelength", "number of dates", "number of pairs")  # from other options
_BEGIN_ANEW = "give --overwrite or another name."
_REPEAT = f"Repeat the command that began it with --resume. Otherwise: {_BEGIN_ANEW}"


@dataclass(frozen=True, eq=False)
class Origin:
    """What a result is made of.

    ``facts``: options and what follows from them and from the stack, by the names of the options; plain
    values. Digests of what is too long to be said are under the name :data:`DIGESTS`. ``source``: the files
    of the stack that are read.
    """

    facts: Mapping[str, Any]
    source: FilesVersion

    @property
    def fingerprint(self) -> str:
        """Digest of everything but times: the same facts and files give the same 16 characters."""
        listing = self.source.listing
        text = json.dumps([self.facts, listing.names, listing.sizes.tolist()], sort_keys=True, default=str)
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def write_origin(group: zarr.Group, origin: Origin) -> None:
    """Note in a result what it is made of."""
    write_listing(group, origin.source.listing)
    place = group[PLACE]
    place.attrs[_FACTS] = json.dumps(origin.facts, sort_keys=True, default=str)


def write_listing(group: zarr.Group, listing: Listing) -> None:
    """Note in a result which files it was made from."""
    packed = np.frombuffer(listing.encoded(), np.uint8)
    array = group.create_array(
        _FILES, data=packed, chunks=packed.shape, compressors=None, overwrite=True, dimension_names=("byte",)
    )
    array.attrs["long_name"] = (
        "files of the stack with sizes and times, as fringefleet.io.files.listing packs them"
    )


def read_listing(group: zarr.Group) -> Listing:
    """Read from which files a result is made.

    Raises
    ------
    StackFormatError
        It cannot be read.
    """
    return Listing.decoded(np.asarray(array_in(group, _FILES)[:]).tobytes())


def check_same_origin(group: zarr.Group, origin: Origin, path: Any, *, accept_touched: bool) -> bool:
    """Refuse to go on with a result that was made of something else; returns whether its files were touched.

    Parameters
    ----------
    group
        The result.
    origin
        What it would be made of now.
    path
        Of the result, for the message.
    accept_touched
        Whether files of the stack whose time alone differs are the same; the user knows.

    Raises
    ------
    OtherOriginError
        Says which option differs, or which files.
    """
    then = _read_facts(group, path)
    now = json.loads(json.dumps(dict(origin.facts), default=str))
    if unknown := sorted(then.keys() - now.keys()):
        raise _older(path, f"noted {', '.join(unknown)}, which this one does not know")
    try:
        files = read_listing(group).differences(origin.source.listing)
    except (KeyError, StackFormatError, OSError, ValueError, ZarrError) as error:
        reason = f"it has lost the listing of the files that it was made from ({error})"
        raise _refused(path, reason, _BEGIN_ANEW) from error
    is_changed = not only_touched(files)
    if others := _other_options(then, now) or ([] if is_changed else _other_values(then, now)):
        also = f"; the stack differs, too: {describe_differences(files)}" if files else ""
        raise _refused(path, f"it was begun with something else: found {', '.join(others)}{also}", _REPEAT)
    if files and not (accept_touched and only_touched(files)):
        raise _changed_stack(path, origin, files)
    return bool(files)


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
        raise _older(path, "did not note what it was made with") from error
    if not isinstance(found, dict):
        raise _refused(path, "what it was made with cannot be read", _BEGIN_ANEW)
    return found


def _other_options(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say which options differ; what may follow from another option only where no other differs."""
    others = [name for name in {**now, **then} if name != DIGESTS and then.get(name) != now.get(name)]
    chosen = [name for name in others if name not in _MAY_FOLLOW] or others
    return [f"{option(name, _said(now.get(name)))} (it was {_said(then.get(name))})" for name in chosen]


def _other_values(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say of what is too long to be said whether it differs."""
    before, after = (facts.get(DIGESTS) or {} for facts in (then, now))
    return [f"other values of {name}" for name in {**after, **before} if before.get(name) != after.get(name)]


def _said(value: Any) -> str:
    return "none" if value is None else " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _changed_stack(path: Any, origin: Origin, files: list[Difference]) -> OtherOriginError:
    reason = (
        f"the stack {origin.source.path} was changed since, and parts of two versions would be mixed: "
        f"{describe_differences(files)}"
    )
    is_touched = only_touched(files)
    error = _refused(
        path, reason, f"{TOUCHED if is_touched else 'Put the files back.'} Otherwise: {_BEGIN_ANEW}"
    )
    error.is_touched = is_touched
    return error


def differences_now(source: FilesVersion, *, accept_touched: bool) -> list[Difference]:
    """Scan a stack once more, and find what has become of its files; touched ones may be accepted."""
    with accepting_touched(accept_touched):
        found = source.differences()
    return [difference for difference in found if not (accept_touched and difference.is_touched)]
