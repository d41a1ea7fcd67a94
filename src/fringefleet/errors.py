"""Exceptions of the package; each also derives from the built-in exception that it resembles.

``except FringefleetError`` catches all of ours and nothing else. A message states what was found, what is
needed and what to do. Bad input (:class:`InputError` and its subclasses) is found before any work. An
``OSError`` comes first among the bases: Dask can transfer no other order from a worker.

A message names options as Python functions take them; ``marked`` is the same text with marks, by which the
command line spells them its own way (:mod:`fringefleet.option_words`).
"""

import os

from fringefleet.option_words import in_words_of_python, mark

__all__ = [
    "BlockTooLargeError",
    "DeviceError",
    "DiskFullError",
    "FringefleetError",
    "IdleOptionError",
    "ImpossibleValuesError",
    "InputError",
    "KindError",
    "MissingExtraError",
    "MissingMetadataError",
    "NetworkError",
    "OptionError",
    "OtherOriginError",
    "OutputExistsError",
    "OutputInUseError",
    "OutputLostError",
    "ProductsNotWrittenError",
    "ReferencePointError",
    "RunError",
    "StackChangedError",
    "StackFormatError",
    "TooFewReliableError",
    "WorkersLostError",
]


class FringefleetError(Exception):
    """Base class of all exceptions that this package raises on purpose; ``marked``: its text with marks.

    Examples
    --------
    >>> import fringefleet
    >>> try:
    ...     fringefleet.Options(weight_func="cohh")
    ... except FringefleetError as error:
    ...     print(error)
    found weight_func = 'cohh'; use one of var, fim, coh, no. Did you mean coh?
    """

    def __init__(self, text: str = "", *more: object) -> None:
        """Take a text, which may contain marks, or options as spelled on the command line."""
        self.marked = mark(str(text))
        super().__init__(in_words_of_python(self.marked), *more)


class InputError(FringefleetError, ValueError):
    """Input that cannot be used; raised before any work."""


class StackFormatError(InputError):
    """A file is not a readable stack, or its parts are inconsistent."""


class MissingMetadataError(InputError, KeyError):
    """An attribute that the inversion needs is missing from the stack."""

    def __str__(self) -> str:
        """Return the message unquoted; ``KeyError`` would quote it."""
        return str(self.args[0])


class NetworkError(InputError):
    """The pairs do not form a network that can be inverted."""


class ReferencePointError(InputError):
    """The reference point is outside the scene or has no data in some pair."""


class OptionError(InputError):
    """An option is unknown or has an invalid value."""


class IdleOptionError(OptionError):
    """An option has no effect in combination with the others."""


class KindError(OptionError, TypeError):
    """An argument has the wrong type."""


class OutputExistsError(FileExistsError, InputError):
    """The output exists and neither resume nor overwrite was requested."""

    def __init__(self, text: str = "", *more: object) -> None:
        """Take the text as :class:`FringefleetError` does, not as ``OSError`` does."""
        FringefleetError.__init__(self, text, *more)


class OtherOriginError(OutputExistsError):
    """The output was begun with another stack or other options, and cannot be resumed.

    Attributes
    ----------
    reason
        The difference, without advice.
    is_touched
        Whether only modification times of files of the stack differ.
    """

    reason: str = ""
    is_touched: bool = False


class OutputInUseError(BlockingIOError, InputError):
    """Another run writes to the output."""

    def __init__(self, text: str = "", *more: object) -> None:
        """Take the text as :class:`FringefleetError` does, not as ``OSError`` does."""
        FringefleetError.__init__(self, text, *more)


class DeviceError(InputError, RuntimeError):
    """The requested device is not available; there is no silent fallback to another."""


class BlockTooLargeError(InputError, MemoryError):
    """One block would not fit into the memory available to it; raised before any work."""


class MissingExtraError(FringefleetError, ImportError):
    """An optional library is not installed; the message names the extra."""


class RunError(FringefleetError, RuntimeError):
    """The run stopped on a failure, or ended without some tiles.

    Raised in a tile it concerns the whole run: no other tile is started.

    Attributes
    ----------
    failed
        Tiles that failed, (row, column) in the grid of tiles.
    to_go_on
        What is kept, and how to continue.
    """

    failed: tuple[tuple[int, int], ...] = ()
    to_go_on: str = "Finished tiles are kept; fix the cause and repeat the command, invert with --resume."


class StackChangedError(RunError):
    """Files of the stack changed after it was opened."""

    to_go_on = (
        "Finished tiles are kept for the original stack: restore its files and repeat the command, "
        "invert with --resume. For the changed stack start again: invert with --overwrite, or write to "
        "another output."
    )


class OutputLostError(RunError):
    """The output no longer exists, or is no longer that of this run."""

    to_go_on = (
        "Finished tiles are kept only as far as the output is: if it still exists, repeat the command, "
        "invert with --resume; otherwise start again."
    )


class ImpossibleValuesError(InputError, RunError):
    """A stack has values that are impossible for their quantity; the run ends when it meets them."""


class DiskFullError(OSError, RunError):
    """The disk of the output is full, or a quota is exhausted."""

    def __init__(self, text: str = "", *more: object) -> None:
        """Take the text as :class:`FringefleetError` does, not as ``OSError`` does."""
        FringefleetError.__init__(self, text, *more)


class WorkersLostError(RunError):
    """No worker is left and none will follow: their jobs fail immediately, or are refused."""


class ProductsNotWrittenError(RunError):
    """Files for another program could not be written; existing ones are intact.

    HDF5 cannot close a file that it failed to write, and may crash the process when it is unloaded.
    """


class TooFewReliableError(RunError):
    """Fewer pixels than requested are reliable; all files exist, as listed in ``written``."""

    written: tuple[os.PathLike[str], ...] = ()
