"""Options that take several words, dates or pairs: a sequence of texts, or text with commas or blanks."""

from collections.abc import Iterable
from typing import Any

from fringefleet.arguments.kinds import check_kind
from fringefleet.errors import OptionError
from fringefleet.option_words import option


def words_of(name: str, given: Any) -> tuple[str, ...]:
    """Take several texts, or one with commas or blanks, apart; each word once, in their order.

    Parameters
    ----------
    name
        Name of the option.
    given
        Text, or a list or tuple of texts.

    Raises
    ------
    OptionError
        There is no word, or something else than text.

    Examples
    --------
    >>> words_of("dates", "20180106, 20180118 20180106"), words_of("status", ["ok,linear", "masked"])
    (('20180106', '20180118'), ('ok', 'linear', 'masked'))
    """
    check_kind(name, given, str, list, tuple)
    texts: Iterable[Any] = [given] if isinstance(given, str) else given
    for text in texts:
        check_kind(name, text, str)
    words = tuple(dict.fromkeys(word for text in texts for word in split(text)))
    if not words:
        raise OptionError(f"found {option(name)} without a value; give one or more, or leave it out.")
    return words


def split(text: str) -> list[str]:
    """Take text with commas or blanks apart."""
    return text.replace(",", " ").split()
