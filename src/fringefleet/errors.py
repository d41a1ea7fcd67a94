"""Exceptions of the package; each also derives from the built-in one that it resembles.

``except FringefleetError`` catches all of ours and nothing else. A message says what was found, what
is needed and what to do. Bad input (:class:`InputError` and its children) is found before any work. An
``OSError`` comes first among the bases: Dask can bring no other from a worker.

A message names options in Python's words, as a function takes them; ``marked`` is the same with marks, by
which the command line spells them its own way (:mod:`fringefleet.option_words`).
"""

import os

from fringefleet.option_words import in_words_of_python, mark


class FringefleetError(Exception):
    """Base class of everything that this package raises on purpose; ``marked``: its text with marks."""

    def __init__(self, text: str = "", *more: object) -> None:
        """Take the text, which may have marks, or options as the command line has them."""
        self.marked = mark(str(text))
        super().__init__(in_words_of_python(self.marked), *more)


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


class IdleOptionError(OptionError):
    """An option has no effect with the others."""


class KindError(OptionError, TypeError):
    """An argument is of a kind that it cannot have."""


class OutputExistsError(FileExistsError, InputError):
    """The output is there already, and nobody said to resume or to overwrite."""

    def __init__(self, text: str = "", *more: object) -> None:
        """Take the text as an error of ours does, and not as one of the system's."""
        FringefleetError.__init__(self, text, *more)


class OtherOriginError(OutputExistsError):
    """The output was begun with another stack or other options, and cannot be resumed.

    ``reason``: what differs, without what to do. ``is_touched``: only times of files of the stack differ.
    """

    reason: str = ""
    is_touched: bool = False


class OutputInUseError(BlockingIOError, InputError):
    """Another run writes to the output."""

    def __init__(self, text: str = "", *more: object) -> None:
        """Take the text as an error of ours does, and not as one of the system's."""
        FringefleetError.__init__(self, text, *more)


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


class ImpossibleValuesError(InputError, RunError):
    """A stack has values that cannot be what they are said to be; a run that comes upon them ends."""


class DiskFullError(OSError, RunError):
    """The disk of the output is full, or a quota is used up."""

    def __init__(self, text: str = "", *more: object) -> None:
        """Take the text as an error of ours does, and not as one of the system's."""
        FringefleetError.__init__(self, text, *more)


class WorkersLostError(RunError):
    """No worker is left and no others come: their jobs end at once, or are refused."""


class ProductsNotWrittenError(RunError):
    """Files for another program could not be written; those that were there are whole.

    HDF5 cannot close a file that it failed to write, and may take the process down when it is unloaded.
    """


class TooFewReliableError(RunError):
    """Fewer pixels than were asked for can be relied on; all files are there, as ``written`` names them."""

    written: tuple[os.PathLike[str], ...] = ()
