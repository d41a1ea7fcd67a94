"""The part of a result that is exported: variables, dates, pixels that are kept, and the unit."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.arguments.several import words_of
from fringefleet.choices import LengthUnit
from fringefleet.errors import InputError, OptionError
from fringefleet.io.checks.door import readable
from fringefleet.io.dates import dates_meant
from fringefleet.io.mintpy.attributes import with_own_attributes
from fringefleet.io.store.result_kind import check_dates, check_not_empty
from fringefleet.io.store.stored_mask import MASK, RULE
from fringefleet.io.writers.base import Progress, Writer, no_progress
from fringefleet.io.writers.expressions import PixelRule, parse_rule
from fringefleet.io.writers.selection import ExportSelection
from fringefleet.io.writers.tiles import ResultTiles, TileChange
from fringefleet.network.network import date_name, shorten
from fringefleet.option_words import as_it_is, option, suggest
from fringefleet.products.provenance import MASK_RULE
from fringefleet.products.units import UnitChange, conversion

logger = logging.getLogger(__name__)

_SERIES = {"date", "y", "x"}
_OF_ONE_VARIABLE = ("FILE_TYPE", "UNIT")  # attributes of MintPy's files


@dataclass(frozen=True)
class Selected:
    """The part of a result that is exported.

    Attributes
    ----------
    result
        All its variables at the chosen dates, with the attributes that they are written with; lazy.
    names
        Variables that are chosen.
    rule
        Which pixels are kept; None: all.
    factors
        By which the values of variables are multiplied, by name.
    """

    result: xr.Dataset
    names: tuple[str, ...]
    rule: PixelRule | None = None
    factors: Mapping[str, float] = field(default_factory=dict)

    def tiles(
        self, names: Sequence[str], progress: Progress = no_progress, *, whole_series: bool = False
    ) -> ResultTiles:
        """Give the tiles of variables as they are written: in their unit, without the pixels left out.

        Parameters
        ----------
        names
            Of the variables.
        progress
            Told of every tile that has been used.
        whole_series
            Whether a tile has all dates, however they are stored.
        """
        change = TileChange(self._change, () if self.rule is None else self.rule.names)
        return ResultTiles(self.result, names, progress, change=change, whole_series=whole_series)

    def no_data(self, name: str) -> float | int | None:
        """Give the value where a variable has none: NaN; of whole numbers the largest, if any is left out."""
        dtype = self.result[name].dtype
        if dtype.kind == "f":
            return float("nan")
        return int(np.iinfo(dtype).max) if self._is_masked(name) else None

    def _is_masked(self, name: str) -> bool:
        """Return whether pixels of a variable are left out; the mask itself is written whole."""
        return self.rule is not None and name != MASK

    def _change(self, tile: xr.Dataset) -> xr.Dataset:
        keep = None if self.rule is None else self.rule.keeps(tile)
        return tile.assign({name: self._changed(str(name), data, keep) for name, data in tile.items()})

    def _changed(self, name: str, data: xr.DataArray, keep: NDArray[np.bool_] | None) -> xr.DataArray:
        values = data.transpose(..., "y", "x").values
        if name in self.factors:
            values = values * values.dtype.type(self.factors[name])
        if keep is not None and self._is_masked(name):
            values = np.where(keep, values, values.dtype.type(self.no_data(name) or 0))
        return data.transpose(..., "y", "x").copy(data=values)


def select_part(result: xr.Dataset, wanted: ExportSelection, writer: Writer) -> Selected:
    """Select a part of a result.

    Parameters
    ----------
    result
        Whole or cut out of one, lazy or not.
    wanted
        Variables, dates, mask and unit.
    writer
        Format, which says what dimensions a variable may have.

    Raises
    ------
    OptionError
        There is no such variable or date, no such map for the mask, or nothing in metres for the unit.
    InputError
        Nothing is left.
    """
    names = _chosen_names(result, wanted.variables, writer)
    check_not_empty(result, names)
    check_dates(result)
    if wanted.dates is not None:
        result = _at_dates(result, names, wanted.dates)
    with readable("the attributes of the result"):
        result = with_own_attributes(result)
    if not writer.is_fixed:  # each variable has a unit of its own
        result.attrs = {name: value for name, value in result.attrs.items() if name not in _OF_ONE_VARIABLE}
    rule = rule_of(result, wanted.mask)
    if rule is not None and writer.is_fixed:
        logger.info("the files of the format %s keep all pixels; its mask says which count", writer.name)
    lengths = _conversions(result, names, wanted.unit)
    changed = {name: result[name].assign_attrs(units=found.unit) for name, found in lengths.items()}
    factors = {name: found.factor for name, found in lengths.items()}
    selected = Selected(result.assign(changed), names, rule, factors)
    check_keeps_pixels(selected)
    return selected


def rule_of(result: xr.Dataset, mask: str | bool | None) -> PixelRule | None:
    """Give the rule by which pixels are kept: an expression, or the mask that is stored; None for all."""
    if isinstance(mask, str):
        return parse_rule(mask, result)
    if mask is None and MASK in result:
        logger.info("the mask of the result counts: %s", result[MASK].attrs.get(RULE))
        rule = parse_rule(f"{MASK} == 1", result)
        return replace(rule, text=str(result[MASK].attrs.get(RULE, rule.text)))
    return None


def rule_text(selected: Selected) -> str | None:
    """Give the rules by which pixels are kept, here and before a velocity was fitted; None for all."""
    here = None if selected.rule is None else selected.rule.text
    rules = [str(rule) for rule in (selected.result.attrs.get(MASK_RULE), here) if rule]
    return " and ".join(f"({rule})" for rule in rules) if len(rules) > 1 else "".join(rules) or None


def check_keeps_pixels(selected: Selected) -> None:
    """Refuse a mask that keeps no pixel, where its maps need not be computed to know it.

    Raises
    ------
    InputError
        Says how many pixels there are.
    """
    rule = selected.rule
    if rule is None or any(selected.result[name].chunks for name in rule.names):
        return
    tiles = ResultTiles(selected.result, rule.names)
    if not any(rule.keeps(tile).any() for _, tile in tiles):
        n_pixel = selected.result.sizes["y"] * selected.result.sizes["x"]
        raise InputError(
            f"found {option('mask', repr(rule.text))}, which keeps none of the {n_pixel:,} pixels. Give one "
            "that keeps some."
        )


def _chosen_names(result: xr.Dataset, given: Sequence[str] | str | None, writer: Writer) -> tuple[str, ...]:
    dims = {str(name): {str(dim) for dim in data.dims} for name, data in result.data_vars.items()}
    there = [name for name, found in dims.items() if {"y", "x"} <= found <= writer.dims]
    if given is None:
        names = [name for name in there if dims[name] <= _SERIES and name != MASK]
        names = [name for name in writer.first_of if name in names][:1] or names
        names = [name for name in names if not writer.is_table or _is_for_tables(result[name])]
    else:
        names = list(words_of("variables", given))
    for name in names:
        if name not in there:
            raise _no_variable(result, name, there)
    if not names:
        raise OptionError(f"found no variable to write. Give some of {', '.join(there) or 'a result'}.")
    return tuple(names)


def _is_for_tables(data: xr.DataArray) -> bool:
    """Return whether a variable is a column of a table by default: codes of dates are not."""
    return data.dtype.kind == "f" or "date" not in data.dims


def _no_variable(result: xr.Dataset, name: str, there: list[str]) -> OptionError:
    found = f"found {option('variables', name)}, and no such variable in the result.{suggest(name, there)}"
    if name in result.data_vars:
        over = ", ".join(map(str, result[name].dims))
        found = (
            f"found {option('variables', name)}, which is over {over} and cannot be written in this format."
        )
    elif name.removesuffix("_std") == "velocity":
        found += f" `fringefleet velocity`, or {as_it_is('`fringefleet invert --velocity`')}, makes it."
    return OptionError(f"{found} There are {', '.join(there)}.")


def _at_dates(result: xr.Dataset, names: Iterable[str], given: str | Sequence[str]) -> xr.Dataset:
    if not any("date" in result[name].dims for name in names):
        raise OptionError(
            f"found {option('dates')}, and no variable with dates among {', '.join(names)}. Leave it out."
        )
    times = result["date"].values.astype("datetime64[s]")
    chosen: set[int] = set()
    for text in words_of("dates", given):
        found = dates_meant(text, times)
        if not found:
            raise OptionError(
                f"found {option('dates', text)}, which is none of the dates of the result: "
                f"{shorten(date_names_of(result))}. Give some of them."
            )
        chosen.update(found)
    kept = sorted(chosen)
    return result.isel({dim: kept for dim in ("date", "date2") if dim in result.dims})


def date_names_of(result: xr.Dataset) -> list[str]:
    """Write the dates of a result as names of files and columns: 20180106, with a time where it has one."""
    times = result["date"].values.astype("datetime64[s]").astype(str)
    return [date_name(text) for text in times]


def _conversions(result: xr.Dataset, names: Iterable[str], unit: LengthUnit | None) -> dict[str, UnitChange]:
    """Find the conversions of the variables that are lengths."""
    if unit is None:
        return {}
    found = {name: conversion(str(result[name].attrs.get("units", "")), unit) for name in names}
    lengths = {name: each for name, each in found.items() if each is not None}
    if not lengths:
        raise OptionError(
            f"found {option('unit', unit)}, and nothing in metres among {', '.join(found)}. Leave it out."
        )
    return lengths
