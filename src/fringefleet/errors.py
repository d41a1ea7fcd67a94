"""Every exception we raise on purpose; each is also the built-in it resembles.

``except FringefleetError`` catches all of ours and nothing else. A message says what was found, what
is needed and what to do. Bad input (:class:`InputError` and its children) is found before any work. An
``OSError`` comes first among the bases: Dask can bring no other from a worker.
"""


class FringefleetError(Exception):
    """Base class of everything that this package raises on purpose."""


class InputError(FringefleetError, ValueError):
    """Something that the user gave cannot be used; raised before any work."""


class StackFormatError(InputError):
    """A file is not a stack that we can read, or its parts do not fit together."""


class MissingMetadataError(InputError, KeyError):
    """An attribute that this inversion needs is not in the stack."""

    def __str__(self) -> str:
        """Return the message as it is; ``KeyError`` would quote it."""
        return str(self.args[0])


class NetworkError(InputError):
    """The pairs form no network that can be inverted."""


class ReferencePointError(InputError):
    """The reference point is outside the scene or has no data in some pair."""


class OptionError(InputError):
    """An option has an unknown name or a value that it cannot take."""


class OutputExistsError(FileExistsError, InputError):
    """The output is there already, and nobody said to resume or to overwrite."""


class OtherOriginError(OutputExistsError):
    """The output was begun with another stack or other options, and cannot be resumed.

    ``reason``: what differs, without what to do. ``is_touched``: only times of files of the stack differ.
    """

    reason: str = ""
    is_touched: bool = False


class OutputInUseError(BlockingIOError, InputError):
    """Another run writes to the output."""


class DeviceError(InputError, RuntimeError):
    """The device asked for is not there; we never fall back to another in silence."""


class BlockTooLargeError(InputError, MemoryError):
    """One block would not fit in the memory it is given; raised before any work."""


class MissingExtraError(FringefleetError, ImportError):
    """An optional library is not installed; the message names the extra."""


class RunError(FringefleetError, RuntimeError):
    """The run stopped on a failure, or ended without some tiles.

    ``failed`` has the numbers of the tiles that failed, (row, column) in the grid of tiles. Raised in a
    tile it concerns the whole run: no other tile is begun. ``to_go_on``: what is kept, and what to do.
    """

    failed: tuple[tuple[int, int], ...] = ()
    to_go_on: str = "Finished tiles are kept; remove the cause and repeat the command, invert with --resume."


class StackChangedError(RunError):
    """Files of the stack are not those that were there when it was opened."""

    to_go_on = (
        "Finished tiles are kept for the stack as it was: with its files put back, repeat the command, "
        "invert "
        "with --resume. For the stack as it is now begin anew: invert with --overwrite, or into another "
        "output."
    )


class OutputLostError(RunError):
    """The output is not there any longer, or not that of this run."""

    to_go_on = (
        "Finished tiles are kept only as far as the output is: if it is still there, repeat the command, "
        "invert with "
        "--resume; otherwise begin anew."
    )


class DiskFullError(OSError, RunError):
    """The disk of the output is full, or a quota is used up."""


class WorkersLostError(RunError):
    """No worker is left and no others come: their jobs end at once, or are refused."""
