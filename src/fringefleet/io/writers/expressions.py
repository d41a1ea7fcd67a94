"""Expressions that say which pixels are kept: comparisons of maps, joined by ``and`` and ``or``.

They are parsed by Python's own grammar and turned into comparisons of arrays; nothing of them is run as
code. ``temporal_coherence > 0.7 and (status == ok or 10 <= pair_count)`` is one. The words of a map with
``flag_meanings`` stand for its numbers. A pixel without a value (NaN) fulfils no comparison.
"""

import ast
import itertools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.errors import OptionError
from fringefleet.io.store.result_kind import kind_of
from fringefleet.option_words import option, suggest
from fringefleet.products.provenance import MADE_FROM

Maps = Mapping[str, NDArray[Any]]
_Condition = Callable[[Maps], NDArray[np.bool_]]

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_JOINTS: dict[type[ast.boolop], Callable[[Any, Any], Any]] = {
    ast.And: np.logical_and,
    ast.Or: np.logical_or,
}
_MOST_CHARACTERS = 2000
_EXAMPLE = "Give comparisons of maps such as 'temporal_coherence > 0.7 and status == ok'"


@dataclass(frozen=True)
class PixelRule:
    """An expression over the maps of a result: which pixels are kept.

    Attributes
    ----------
    text
        As it was given.
    names
        Maps that it compares.
    """

    text: str
    names: tuple[str, ...]
    _condition: _Condition = field(repr=False, compare=False)

    def __call__(self, maps: Maps) -> NDArray[np.bool_]:
        """Return which pixels are kept, of maps of one shape by name."""
        return self._condition(maps)

    def keeps(self, tile: xr.Dataset) -> NDArray[np.bool_]:
        """Return which pixels of a tile are kept, (y, x)."""
        return self({name: tile[name].transpose("y", "x").values for name in self.names})


def parse_rule(text: str, result: xr.Dataset, name: str = "mask") -> PixelRule:
    """Parse an expression over the maps of a result.

    Parameters
    ----------
    text
        The expression.
    result
        Its variables over y and x may be compared.
    name
        Option that has the expression, for messages.

    Raises
    ------
    OptionError
        It is no such expression, or compares what is no map of the result.

    Examples
    --------
    >>> maps = {"n": ("y", [1, 2, 3]), "m": ("y", [1.0, np.nan, 0.0])}
    >>> rule = parse_rule("n > 1 and m < 0.5", xr.Dataset(maps).expand_dims("x"))
    >>> rule.names, rule({"n": np.array([1, 2, 3]), "m": np.array([1.0, np.nan, 0.0])}).tolist()
    (('m', 'n'), [False, False, True])
    """
    parser = _Parser(text, result, name)
    try:
        tree = ast.parse(text.strip(), mode="eval").body if len(text) <= _MOST_CHARACTERS else None
        condition = parser.condition(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, OptionError):
            raise
        raise parser.error("which is no expression") from error
    return PixelRule(text, tuple(sorted(parser.used)), condition)


def maps_in(result: xr.Dataset) -> list[str]:
    """Name the variables that have one value for each pixel."""
    return [str(name) for name, data in result.data_vars.items() if set(data.dims) == {"y", "x"}]


@dataclass
class _Parser:
    """Turns the tree of an expression into conditions; ``used``: maps that it met."""

    text: str
    result: xr.Dataset
    option: str
    used: set[str] = field(default_factory=set)

    def condition(self, node: ast.AST | None) -> _Condition:
        """Make a condition of a comparison, or of several that are joined."""
        if isinstance(node, ast.BoolOp):
            join, parts = _JOINTS[type(node.op)], [self.condition(part) for part in node.values]
            return lambda maps: reduce(join, (part(maps) for part in parts))
        if isinstance(node, ast.Compare):
            sides = itertools.pairwise([node.left, *node.comparators])
            pairs = [self._comparison(sign, *two) for sign, two in zip(node.ops, sides, strict=True)]
            return lambda maps: reduce(np.logical_and, (pair(maps) for pair in pairs))
        raise self.error("which is no comparison")

    def _comparison(self, sign: ast.cmpop, *sides: ast.expr) -> _Condition:
        compare = _COMPARISONS.get(type(sign))
        if compare is None:
            raise self.error("which compares by another sign than >, >=, <, <=, == and !=")
        words = [word for side in sides if (word := _word(side))]
        found = [word for word in words if word in maps_in(self.result)]
        if not found:
            raise self._unknown(words[0]) if words else self.error("which compares no map")
        values = [self._value(side, found[0]) for side in sides]
        if len(found) < len(words) and not isinstance(sign, ast.Eq | ast.NotEq):
            raise self.error("and words have no order", "Compare them by == or !=")
        self.used.update(found)

        def compared(maps: Maps) -> NDArray[np.bool_]:
            one, other = (maps[value] if isinstance(value, str) else value for value in values)
            met: NDArray[np.bool_] = compare(one, other) & ~np.isnan(one) & ~np.isnan(other)
            return met

        return compared

    def _value(self, node: ast.expr, name: str) -> str | float:
        """Give the name of a map, or a number; other words are those of the map that is compared."""
        if word := _word(node):
            return word if word in maps_in(self.result) else self._flag(word, name)
        is_negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
        number = node.operand if isinstance(node, ast.UnaryOp) and is_negative else node
        value = number.value if isinstance(number, ast.Constant) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return -float(value) if is_negative else float(value)
        raise self.error("which compares with what is neither a map nor a number")

    def _flag(self, word: str, name: str) -> float:
        attrs = self.result[name].attrs
        meanings = str(attrs.get("flag_meanings", "")).split()
        numbers = dict(zip(meanings, np.ravel(attrs.get("flag_values", [])).tolist(), strict=False))
        if not numbers:
            raise self._unknown(word)
        if word.lower() not in numbers:
            near = suggest(word, meanings).strip()
            raise self.error(f"and {word} is no {name}", f"{near} There are {', '.join(meanings)}".strip())
        return float(numbers[word.lower()])

    def _unknown(self, word: str) -> OptionError:
        there = maps_in(self.result)
        near = suggest(word, there).strip()
        advice = f"{near} There are {', '.join(there) or 'none'}".strip()
        if kind_of(self.result) == "velocity" and MADE_FROM in self.result.attrs:
            advice += f". What {self.result.attrs[MADE_FROM]} has can mask it before: `fringefleet mask`"
        if word in self.result.data_vars:
            return self.error(f"and {word} has more than one value for a pixel: it is no map", advice)
        return self.error(f"and no map {word} in the result", advice)

    def error(self, found: str, advice: str = _EXAMPLE) -> OptionError:
        """Make the error of an expression that cannot be used."""
        shown = self.text if len(self.text) <= 80 else f"{self.text[:77]}..."
        return OptionError(f"found {option(self.option, repr(shown))}, {found}. {advice}.")


def _word(node: ast.expr) -> str:
    """Give the word of a name or of a text; nothing for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return node.id if isinstance(node, ast.Name) else ""
