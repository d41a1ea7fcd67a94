"""Choice of the reader of a path: by the evidence that each finds in it, or by a name that the user gives."""

from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from fringefleet.errors import NetworkError, OptionError, StackFormatError
from fringefleet.io.checks.door import readable
from fringefleet.io.hdf5.variables import is_hdf5
from fringefleet.io.identify import HOW_TO_LIST, identify, identify_product
from fringefleet.io.quantities import in_our_units
from fringefleet.io.readers import READERS, Reader
from fringefleet.network.network import Network
from fringefleet.option_words import option, suggest


@dataclass(frozen=True)
class Recognised:
    """Reader that recognises a path.

    Attributes
    ----------
    reader
        Reader.
    evidence
        Evidence by which it recognises the path, in words.
    """

    reader: Reader
    evidence: str

    def __str__(self) -> str:
        """Return both for a message."""
        return f"{self.reader.title} ({self.evidence})"

    def open(self, path: Path, *, drop_incomplete: bool) -> xr.Dataset:
        """Open the stack lazily, in our units.

        Parameters
        ----------
        path
            Path that the reader recognises.
        drop_incomplete
            Omit pairs that lack a file which others have.

        Raises
        ------
        StackFormatError, NetworkError
            It cannot be read in that format; the message states the format, and the evidence for it.
        OptionError
            ``drop_incomplete`` with a stack that is one file or store.
        """
        if drop_incomplete and not self.reader.has_files_of_pairs:
            raise OptionError(
                f"found --drop-incomplete with a stack that is {self.reader.title}, all pairs of which are "
                "complete; it is for folders of pairs. Leave it out."
            )
        try:
            with readable("the stack"):
                stack = in_our_units(self.reader.open(path, drop_incomplete))
                Network.from_dates(stack["reference_date"].values, stack["secondary_date"].values)
        except (StackFormatError, NetworkError) as error:
            why = f"It was read as {self.reader.title}, because of {self.evidence}."
            raise type(error)(f"{error.marked.rstrip('.')}. {why}") from error
        return stack


def recognise(path: Path, name: str | None = None) -> Recognised:
    """Find the reader of a path. All readers are asked.

    Parameters
    ----------
    path
        Existing path.
    name
        Name of the reader, if the user chose one; None: the only one that recognises the path.

    Raises
    ------
    StackFormatError
        No reader recognises it, or not the chosen one, or several do; the message states their
        evidence.
    OptionError
        There is no reader of that name.
    """
    chosen = None if name is None else _reader_of_name(name)
    if path.is_file() and is_hdf5(path) and (product := identify_product(path)):
        raise StackFormatError(f"found {product}.")
    if chosen is not None:
        return _as_chosen(path, chosen)
    found = _recognised(path)
    if not found:
        raise StackFormatError(f"found no stack: it is {identify(path)}. {_hint(path)}{HOW_TO_LIST}.")
    if len(found) > 1:
        remedy = " or ".join(option("reader", one.reader.name) for one in found)
        raise StackFormatError(
            f"found the stacks of {len(found)} formats: {', and '.join(map(str, found))}; one is needed. "
            "Choose "
            f"one with {remedy}, or move the other files elsewhere."
        )
    return found[0]


def _reader_of_name(name: str) -> Reader:
    by_name = {reader.name: reader for reader in READERS}
    if name in by_name:
        return by_name[name]
    hint = suggest(name, by_name)
    raise OptionError(f"found {option('reader', repr(name))}; give one of {', '.join(by_name)}.{hint}")


def _recognised(path: Path) -> list[Recognised]:
    return [Recognised(reader, seen) for reader in READERS if (seen := reader.find_evidence(path))]


def _evidence_if_named(reader: Reader, path: Path) -> str | None:
    seen = reader.find_evidence(path)
    return reader.find_if_named(path) if seen is None and reader.find_if_named else seen


def _as_chosen(path: Path, reader: Reader) -> Recognised:
    seen = _evidence_if_named(reader, path)
    if seen is not None:
        return Recognised(reader, seen)
    others = ", and ".join(map(str, _recognised(path)))
    what = f"what looks like {others}" if others else identify(path)
    raise StackFormatError(
        f"found {option('reader', reader.name)}, but nothing that it reads: it is {what}. Give "
        f"{reader.layout}, or omit the option."
    )


def _hint(path: Path) -> str:
    """Return a hint at a reader that would read a path if chosen by name, if any; ends with a space."""
    for reader in READERS:
        if reader.find_if_named is not None and (seen := reader.find_if_named(path)):
            chosen = option("reader", reader.name)
            return f"If {seen} is {reader.title}, and {reader.name} made it, give {chosen}. "
    return ""
