"""Listings of files: sizes and modification times, compact and comparable.

The origin of a result is identified by the names of the files below their root, and by their sizes and times,
not by the spelling of the path of the root. Times are compared with the precision of the coarser of two file
systems: a time truncated by an attribute cache or a copy is not a change.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fringefleet.errors import StackFormatError

ROOT = "."  # the name of the root itself, where that is a file
_MOST_NAMED = 3  # files in a message, of each kind of change
_COARSE = (100, 1_000, 1_000_000, 1_000_000_000)  # [ns] resolutions of file systems


class FileState(NamedTuple):
    """State of a file at some time."""

    size: int  # [byte]
    modified: int  # [ns]

    def __str__(self) -> str:
        """Return a description for a message."""
        seconds, rest = divmod(self.modified, 10**9)
        when = datetime.fromtimestamp(seconds, UTC)
        return f"{self.size:,} bytes of {when:%Y-%m-%d %H:%M:%S}.{rest // 10**6:03d} UTC"


class Difference(NamedTuple):
    """File that differs: ``then`` is None for a new one, ``now`` for a missing one."""

    name: str
    then: FileState | None
    now: FileState | None

    @property
    def is_touched(self) -> bool:
        """Whether only its time differs."""
        return self.then is not None and self.now is not None and self.then.size == self.now.size


@dataclass(frozen=True, eq=False)
class Listing:
    """Files sorted by name; ``sizes`` [byte], modification ``times`` [ns]."""

    names: tuple[str, ...]
    sizes: NDArray[np.int64]
    times: NDArray[np.int64]

    @classmethod
    def of(cls, files: Iterable[tuple[str, FileState]]) -> "Listing":
        """List files, given in any order, each once."""
        each = sorted(dict(files).items())
        states = np.array([state for _, state in each], np.int64).reshape(-1, 2)
        return cls(tuple(name for name, _ in each), states[:, 0].copy(), states[:, 1].copy())

    @classmethod
    def decoded(cls, packed: bytes) -> "Listing":
        """Unpack the output of :meth:`encoded`.

        Raises
        ------
        StackFormatError
            The data are something else, or damaged.
        """
        try:
            plain = zlib.decompress(packed)
            n_file = int(np.frombuffer(plain, "<i8", 1)[0])
            numbers = np.frombuffer(plain, "<i8", 2 * n_file, offset=8).astype(np.int64).reshape(2, n_file)
            text = plain[8 + 16 * n_file :].decode("utf-8", "surrogateescape")
        except (zlib.error, ValueError, IndexError) as error:
            raise StackFormatError(f"the listing of the stack's files is damaged ({error}).") from error
        names = tuple(text.split("\0")) if n_file else ()
        if len(names) != n_file:
            raise StackFormatError("the listing of the stack's files is damaged: it lacks names.")
        return cls(names, numbers[0], numbers[1])

    def encoded(self) -> bytes:
        """Pack the listing: about ten bytes per file."""
        return zlib.compress(self._plain)

    @cached_property
    def digest(self) -> str:
        """Return a digest of all names, sizes and times."""
        return hashlib.sha256(self._plain).hexdigest()[:16]

    @property
    def _plain(self) -> bytes:
        numbers = np.concatenate([[len(self.names)], self.sizes, self.times]).astype("<i8").tobytes()
        return numbers + "\0".join(self.names).encode("utf-8", "surrogateescape")

    @property
    def n_byte(self) -> int:
        """Total size of all files [byte]."""
        return int(self.sizes.sum())

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.names)

    def items(self) -> Iterator[tuple[str, FileState]]:
        """Yield every file."""
        numbers = zip(self.sizes.tolist(), self.times.tolist(), strict=True)
        for name, (size, time) in zip(self.names, numbers, strict=True):
            yield name, FileState(size, time)

    def take(self, kept: NDArray[np.bool_] | NDArray[np.int64]) -> "Listing":
        """Select some of the files, by a mask or their indices."""
        indices = np.arange(len(self))[kept]
        return Listing(tuple(self.names[i] for i in indices), self.sizes[kept], self.times[kept])

    def differences(self, now: "Listing") -> list[Difference]:
        """Find how these files differ now: changed, touched, missing or new."""
        if self.digest == now.digest:
            return []
        before, after = dict(self.items()), dict(now.items())
        found = [Difference(name, then, after.get(name)) for name, then in before.items()]
        found = [each for each in found if each.now is None or differs(each.then, each.now)]
        return found + [Difference(name, None, state) for name, state in after.items() if name not in before]


def differs(then: FileState | None, now: FileState) -> bool:
    """Return whether a file changed, with the precision of both times.

    Examples
    --------
    >>> differs(FileState(4, 1_700_000_000_123_456_789), FileState(4, 1_700_000_000_000_000_000))
    False
    >>> differs(FileState(4, 1_700_000_000_123_456_789), FileState(4, 1_700_000_000_123_456_790))
    True
    """
    if then is None or then.size != now.size:
        return True
    return then.modified != now.modified and not any(
        (then.modified % step == 0 or now.modified % step == 0)
        and then.modified // step == now.modified // step
        for step in _COARSE
    )


def only_touched(differences: Sequence[Difference]) -> bool:
    """Return whether only times differ."""
    return all(difference.is_touched for difference in differences)


def describe_differences(differences: Sequence[Difference]) -> str:
    """Describe for a message which files differ, and how; many are only counted.

    Examples
    --------
    >>> state = FileState(4, 1_700_000_000_000_000_000)
    >>> gone, longer = Difference("a/c/0", state, None), Difference("a/c/1", state, state._replace(size=5))
    >>> describe_differences([gone, longer])
    '1 changed: a/c/1 (5 bytes of 2023-11-14 22:13:20.000 UTC, was 4 bytes of 2023-11-14 22:13:20.000 UTC); \
1 gone: a/c/0 (was 4 bytes of 2023-11-14 22:13:20.000 UTC)'
    """
    kinds: dict[str, list[Difference]] = {"changed": [], "new": [], "gone": [], "of another time": []}
    for difference in differences:
        kinds[_kind(difference)].append(difference)
    return "; ".join(f"{len(found):,} {kind}: {_named(found)}" for kind, found in kinds.items() if found)


def _kind(difference: Difference) -> str:
    if difference.then is None:
        return "new"
    if difference.now is None:
        return "gone"
    return "of another time" if difference.is_touched else "changed"


def _named(differences: Sequence[Difference]) -> str:
    named = [_described(difference) for difference in differences[:_MOST_NAMED]]
    more = len(differences) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")


def _described(difference: Difference) -> str:
    name = "the file itself" if difference.name == ROOT else difference.name
    then = [f"was {difference.then}"] * (difference.then is not None)
    now = [str(difference.now)] * (difference.now is not None)
    return f"{name} ({', '.join(now + then)})"
