"""Versions of files: when the content of a stack may have changed, its version differs.

Dask's names of tasks and the fingerprint of a run follow the version, so that what was computed from
other data is never taken for the answer.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileVersion:
    """One version of one file: when it changes, Dask's names of what is in it change too."""

    path: str
    modified: int  # [ns]
    size: int  # [byte]

    @classmethod
    def of(cls, path: Path) -> "FileVersion":
        """Describe the file as it is now."""
        state = path.stat()
        return cls(str(path.absolute()), state.st_mtime_ns, state.st_size)

    def is_current(self) -> bool:
        """Whether the file is still there, and the same."""
        try:
            return FileVersion.of(Path(self.path)) == self
        except OSError:
            return False


@dataclass(frozen=True)
class FilesVersion:
    """One version of a folder's files that a stack is read from; other files in it do not matter."""

    path: str  # of the folder
    n_file: int
    size: int  # [byte], of all files
    digest: str  # of the version of each file

    @classmethod
    def of(cls, path: Path, files: Iterable[FileVersion]) -> "FilesVersion":
        """Sum up the versions of the files, each counted once, in any order."""
        each = sorted(set(files), key=lambda file: file.path)
        digest = hashlib.sha256(repr(each).encode()).hexdigest()
        return cls(str(path.absolute()), len(each), sum(file.size for file in each), digest)

    def is_current(self) -> bool:
        """Whether the folder is still there; every file is checked for itself when it is read."""
        return Path(self.path).exists()


Version = FileVersion | FilesVersion
