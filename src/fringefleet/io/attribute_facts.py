"""Attributes of a stack or a result as facts for people: how it was made, and what it is relative to."""

from collections.abc import Iterator
from typing import Any

from fringefleet.io.describe import Description
from fringefleet.network.network import date_name
from fringefleet.products.fit_attributes import MEANT
from fringefleet.products.provenance import MADE_FROM, MASK_RULE, SELECTED

KINDS = {  # in words
    "stack": "stack",
    "result": "result of an inversion",
    "displacement": "displacement",
    "velocity": "maps of velocity",
}
_Facts = Iterator[tuple[str, str]]


def attribute_facts(description: Description) -> _Facts:
    """Give labels and texts: source, functions of time, reference, mask, options and history."""
    left = dict(description.attributes)
    if description.kind != "stack":
        yield from _source_facts(left)
        yield from _fit_facts(left)
    yield from _reference_facts(description, left)
    if (rule := left.pop(MASK_RULE, None)) is not None:
        yield "Mask before", f"{rule}: other pixels were not used"
    if description.mask is not None:
        yield "Mask", description.mask
    for name, unit in {"wavelength": " m", "looks": ""}.items():
        if name in left:
            yield name.capitalize(), f"{left.pop(name)}{unit}"
    history = str(left.pop("history", ""))
    if left:
        yield "Made with", ", ".join(f"{name} {value}" for name, value in left.items())
    if history and description.kind != "stack":
        yield "History", "; ".join(line.rstrip(".") for line in history.splitlines())
    yield "Attributes", f"{description.n_attribute} in all"


def _source_facts(left: dict[str, Any]) -> _Facts:
    """Give the stack, its pairs, and what was selected of it."""
    stack = f"the stack {left.pop('stack')}" if "stack" in left else "a stack"
    result = [f"the result {left.pop(MADE_FROM)}"] if MADE_FROM in left else []
    n_pair = left.pop("n_pair", None)
    pairs = [] if n_pair is None else [f"{n_pair} pair{'s' * (n_pair != 1)} of {stack}"]
    if result or pairs:
        yield "Made from", ", from ".join([*result, *pairs])
    names = [name for name in left if name.startswith(SELECTED)]
    if names:
        said = {name.removeprefix(SELECTED): left.pop(name) for name in names}
        yield "Part", ", ".join(_selected_in_words(name, value) for name, value in said.items())


def _fit_facts(left: dict[str, Any]) -> _Facts:
    """Give the functions of time, the dates that they are fitted to, and the kind of errors."""
    if "time_functions" not in left:
        return
    yield "Functions of time", str(left.pop("time_functions"))
    names = ("n_date_used", "first_date_used", "last_date_used", "gap_filled_dates")
    n_used, first, last, gap_filled = (left.pop(name, None) for name in names)
    if n_used is not None:
        yield "Dates used", f"{n_used}, {first} to {last}; gap-filled ones {gap_filled}"
    uncertainty, interval = left.pop("velocity_uncertainty", "none"), left.pop("velocity_interval", "none")
    n_free, unknown = left.pop("velocity_degrees_of_freedom", None), left.pop("velocity_std_unknown", None)
    if unknown is not None:
        yield "Standard errors", f"not known: {unknown}"
    elif uncertainty == "none":
        yield "Standard errors", "none"
    else:
        at_most = "" if n_free is None else f" (at most {n_free})"
        yield "Standard errors", f"{MEANT.get(uncertainty, uncertainty)}; {interval}{at_most}"


def _reference_facts(description: Description, left: dict[str, Any]) -> _Facts:
    """Give the reference point, in this scene or outside, the date, and later changes of the two."""
    point, place = left.pop("reference_point", None), left.pop("reference_coordinates", None)
    where = f"y {place[0]:.6g}, x {place[1]:.6g}" if place else ""
    if isinstance(point, list) and len(point) == 2:
        yield "Reference point", f"row {point[0]}, column {point[1]}" + (f" ({where})" if where else "")
    elif point is not None:
        yield "Reference point", repr(point)
    elif where:
        yield "Reference point", f"outside of this part ({where})"
    elif description.kind == "stack":
        yield "Reference point", "none; invert needs --reference auto, or --reference-point Y X"
    else:
        yield "Reference point", "none"
    if "reference_date" in left:
        yield "Reference date", date_name(str(left.pop("reference_date")))
    for change in str(left.pop("rereferenced", "")).splitlines():
        yield "Rereferenced", change


def _selected_in_words(name: str, value: Any) -> str:
    if name in ("rows", "columns"):
        return f"{name} {value[0]} to {value[1] - 1}"
    text = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"{name.replace('_', ' ')} {text}"
