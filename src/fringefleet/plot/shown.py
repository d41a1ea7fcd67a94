"""Data of a picture: the chosen variable of a result at a date, in the unit of the picture, where kept."""

from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from fringefleet.errors import InputError, OptionError
from fringefleet.io.dates import dates_meant
from fringefleet.io.places import degrees_of, pixel_at
from fringefleet.io.store.open_result import open_result
from fringefleet.io.store.result_kind import check_not_empty
from fringefleet.io.writers.expressions import PixelRule
from fringefleet.io.writers.selected import date_names_of, rule_of
from fringefleet.network.network import shorten
from fringefleet.option_words import option, suggest
from fringefleet.plot.options import EVERYTHING, PictureChoice
from fringefleet.products.appearance import Appearance, appearance_of
from fringefleet.products.units import conversion
from fringefleet.products.velocity import is_map

PictureSource = xr.Dataset | xr.DataArray | str | Path
PictureDate = str | date | np.datetime64 | xr.DataArray

FIRST = ("velocity", "displacement")  # what people want to see, before the maps of its quality
MAX_PIXELS = 1000  # per side of a map
_DIMS = {"date", "y", "x"}
_PAIRS, _STEPS = "pair_count", ("Y_STEP", "X_STEP")
_ENDS = (("first", "START_DATE"), ("last", "END_DATE"))


class ShownMap(NamedTuple):
    """A map as it is drawn.

    Attributes
    ----------
    data
        Values (y, x) in the unit of the picture; NaN where nothing is shown.
    look
        Appearance.
    when
        The date, or the first and the last one, in words; empty where not known.
    """

    data: xr.DataArray
    look: Appearance
    when: str


def dataset_of(source: PictureSource) -> xr.Dataset:
    """Give the dataset of a picture: a result as it is or opened, or a single variable."""
    if isinstance(source, str | Path):
        return open_result(Path(source))
    if isinstance(source, xr.DataArray):
        return source.to_dataset(name=source.name or "values")
    return source


def thin(data: xr.Dataset) -> xr.Dataset:
    """Keep every n-th row and column, so that no side is longer than 1000 pixels."""
    return data.isel({axis: slice(None, None, step) for axis, step in steps_of(data).items()})


def steps_of(data: xr.Dataset) -> dict[str, int]:
    """Give the rows and columns from one that is drawn to the next."""
    return {axis: -(-data.sizes[axis] // MAX_PIXELS) for axis in ("y", "x")}


def shown_map(
    result: xr.Dataset, choice: PictureChoice = EVERYTHING, rule: PixelRule | None = None
) -> ShownMap:
    """Read a variable as it is drawn.

    Parameters
    ----------
    result
        As ``invert`` or ``velocity`` return it.
    choice
        Variable, date and unit.
    rule
        Pixels that are kept; None: all.
    """
    wanted, unit = choice.date, choice.unit
    name = chosen_name(result, choice)
    data = result[name]
    index = date_index(result, wanted) if "date" in data.dims else None
    if wanted is not None and index is None:
        raise OptionError(f"found {option('date', wanted)} for {name}, which has no dates. Leave it out.")
    look = appearance_of(name, data.attrs, data.dtype.kind, unit)
    if unit is not None and conversion(str(data.attrs.get("units", "")), unit) is None:
        raise OptionError(f"found {option('unit', unit)} for {name}, which is no length. Leave it out.")
    estimate = _estimate_in(result, name)
    used = {name, *(() if rule is None else rule.names), *([] if estimate is None else [estimate])}
    part = result[sorted(used)] if index is None else result[sorted(used)].isel(date=index)
    part = thin(part).load()
    values = part[name].transpose("y", "x")
    if values.dtype == bool:
        values, look = values.astype("u1"), look._replace(classes={0: "no", 1: "yes"})
    if look.classes and not set(np.unique(values.values[np.isfinite(values.values)])) <= set(look.classes):
        look = look._replace(classes={})  # a calculation kept the words of codes, such as a sum over dates
    if look.is_count and not look.classes and estimate is not None:
        has_estimate = part[estimate].notnull() & (part[estimate] != 0 if estimate == _PAIRS else True)
        values = values.where(has_estimate)  # whole numbers are 0 where there is none
    values = kept(values, part, rule)
    if look.conversion.factor != 1:
        values = look.conversion.factor * values
    values.attrs = {step: result.attrs[step] for step in _STEPS if step in result.attrs}  # of a single pixel
    return ShownMap(values, look, _when(result, data, index))


def _estimate_in(result: xr.Dataset, name: str) -> str | None:
    """Name the map that says where there is an estimate: the number of pairs, or the velocity."""
    if name != _PAIRS and _PAIRS not in result and "velocity" in result and is_drawable(result["velocity"]):
        return "velocity"
    return _PAIRS if _PAIRS in result else None


def rule_for(result: xr.Dataset, choice: PictureChoice) -> PixelRule | None:
    """Give the rule of the pixels that are shown; the status explains all, unless a rule is given."""
    name = chosen_name(result, choice)
    return None if name == "status" and choice.mask is None else rule_of(result, choice.mask)


def kept(values: xr.DataArray, part: xr.Dataset, rule: PixelRule | None) -> xr.DataArray:
    """Take the values of pixels that a rule leaves out.

    Raises
    ------
    InputError
        It leaves out all of them.
    """
    if rule is None:
        return values
    keeps = rule.keeps(part)
    if not keeps.any():
        raise InputError(
            f"found {option('mask', repr(rule.text))}, which keeps none of the {keeps.size:,} pixels that "
            "are drawn. Give one that keeps some."
        )
    return values.where(xr.DataArray(keeps, dims=("y", "x")))


def chosen_name(result: xr.Dataset, choice: PictureChoice) -> str:
    """Find the variable that is drawn: the one that is asked for, or else the one that people want to see.

    With a date that is asked for, that is one that has dates.

    Raises
    ------
    OptionError
        There is no such map.
    """
    there = [str(name) for name, data in result.data_vars.items() if is_drawable(data)]
    variable = _wanted_first(result, there, choice.date) if choice.variable is None else choice.variable
    if variable not in there:
        said = option("variable", repr(variable))
        if variable in result:
            over = ", ".join(map(str, result[variable].dims)) or "no axis"
            raise OptionError(
                f"found {said}, which has {over} and is no map. Give one of {', '.join(there)}."
            )
        hint = " `fringefleet velocity` fits it." if is_map(variable) else suggest(variable, there)
        raise OptionError(f"found {said}, and no such variable.{hint} There are {', '.join(there)}.")
    check_not_empty(result, [variable])
    return variable


def _wanted_first(result: xr.Dataset, there: list[str], wanted: str | None) -> str:
    """Choose among the maps that are there."""
    if not there and any({"pair", "y", "x"} == set(data.dims) for data in result.data_vars.values()):
        raise OptionError(
            "found a stack of interferograms; give a result, as `fringefleet.invert` makes one. "
            "`plot.network` and `plot.matrix` draw pairs."
        )
    if not there:
        raise OptionError("found no map over y and x; give a result, or some rows and columns of one.")
    dated = [name for name in there if wanted is not None and "date" in result[name].dims]
    among = dated or there
    first = [name for name in FIRST if name in among] or (among if len(among) == 1 else [])
    if not first:
        raise OptionError(f"found no {option('variable')}; give one of {', '.join(among)}.")
    return first[0]


def is_drawable(data: xr.DataArray) -> bool:
    """Return whether a variable is a map of numbers, or one for each date."""
    return {"y", "x"} <= set(map(str, data.dims)) <= _DIMS and data.dtype.kind in "fiub"


def date_index(result: xr.Dataset, wanted: str | None) -> int:
    """Find a date of a result; None stands for the last one.

    Raises
    ------
    OptionError
        It is none of the dates.
    """
    if wanted is None:
        return -1
    times = result["date"].values.astype("datetime64[s]")
    found = dates_meant(wanted, times)
    if not found:
        raise OptionError(
            f"found {option('date', wanted)}, which is none of the dates of the result: "
            f"{shorten(date_names_of(result))}. Give one of them."
        )
    if len(found) > 1:
        names = [date_names_of(result)[index] for index in found]
        raise OptionError(
            f"found {option('date', wanted)}, which is {' and '.join(names)}. Give one of them."
        )
    return found[0]


def _when(result: xr.Dataset, data: xr.DataArray, index: int | None) -> str:
    attrs = result.attrs
    if index is None and "date" in data.coords and data["date"].ndim == 0:
        moment = data["date"].values  # of a date that was cut out
    elif index is None:
        first, last = (attrs.get(f"{end}_date_used", attrs.get(other)) for end, other in _ENDS)
        return f"{moment_words(first)} to {moment_words(last)}" if first and last else ""
    else:
        moment = result["date"].values[index]
    since = attrs.get("reference_date") if data.dtype.kind == "f" else None
    return (
        f"{moment_words(moment)} since {moment_words(since)}" if since is not None else moment_words(moment)
    )


def moment_words(moment: Any) -> str:
    """Write a date as people read it, with its time of day where it has one.

    Examples
    --------
    >>> moment_words("20180106"), moment_words(np.datetime64("2018-01-06T00:12:30"))
    ('2018-01-06', '2018-01-06 00:12')
    """
    found = np.datetime64(pd.Timestamp(str(moment)), "m")
    return str(np.datetime_as_string(found)).removesuffix("T00:00").replace("T", " ")


def chosen_pixel(result: xr.Dataset, choice: PictureChoice) -> tuple[int, int] | None:
    """Find the pixel that is asked for, if one is.

    Raises
    ------
    OptionError
        The row and column are outside of the scene.
    ReferencePointError
        The place is outside of the scene.
    """
    if choice.lalo is not None:
        return pixel_at(result, *choice.lalo, "lalo")
    if choice.yx is None:
        return None
    yx = choice.yx
    shape = result.sizes["y"], result.sizes["x"]
    if not all(0 <= at < size for at, size in zip(yx, shape, strict=True)):
        raise OptionError(
            f"found {option('yx', f'({yx[0]}, {yx[1]})')}, outside of the scene, which has rows 0 to "
            f"{shape[0] - 1} and columns 0 to {shape[1] - 1}. Give row and column of a pixel in it."
        )
    return int(yx[0]), int(yx[1])


def place_words(result: xr.Dataset, pixel: tuple[int, int]) -> str:
    """Name a pixel: by latitude and longitude, or by row and column in radar geometry."""
    place = degrees_of(
        result, *(float(result[axis].values[at]) for axis, at in zip("yx", pixel, strict=True))
    )
    return f"row {pixel[0]}, column {pixel[1]}" if place is None else degree_words(*place)


def degree_words(latitude: float, longitude: float) -> str:
    r"""Write a place in degrees.

    Examples
    --------
    >>> degree_words(19.43, -99.13).replace("\xa0", " ")
    '19.4300° N, 99.1300° W'
    """
    sides = ("S" if latitude < 0 else "N", "W" if longitude < 0 else "E")
    words = f"{abs(latitude):.4f}° {sides[0]}, {abs(longitude):.4f}° {sides[1]}"
    return words.replace(" ", "\xa0")  # never broken


def about_words(result: xr.Dataset, when: str) -> list[str]:
    """Describe the dates of a picture and the reference point of the result, as far as known."""
    return [text for text in (when, reference_words(result)) if text]


def reference_words(result: xr.Dataset) -> str:
    """Name the reference point of a result; empty if it is not known."""
    names = [f"reference_point_{axis}" for axis in "yx"]
    if any(name not in result.attrs for name in names):
        return ""
    y, x = (float(result.attrs[name]) for name in names)
    place = degrees_of(result, y, x)
    if place is None:
        return f"reference point at row {y:g}, column {x:g}"
    return f"reference point {degree_words(*place)}"
