"""Writers of results in the formats of other programs, in an ordered list."""

from fringefleet.errors import OptionError
from fringefleet.io.writers.base import Writer
from fringefleet.option_words import suggest

WRITERS: tuple[Writer, ...] = (
    Writer(
        "mintpy",
        "timeseries.h5, temporalCoherence.h5 and numInvIfgram.h5.",
        "",
        "fringefleet.io.writers.mintpy",
    ),
)


def writer_named(name: str) -> Writer:
    """Return the writer with a name.

    Raises
    ------
    OptionError
        There is no writer of this name.
    """
    found = {writer.name: writer for writer in WRITERS}
    if name not in found:
        raise OptionError(f"found no format {name!r}.{suggest(name, found)} There are {', '.join(found)}.")
    return found[name]
