"""Attributes of a result that record how it was made: an ordered list of names and values."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from fringefleet.network.network import Network
from fringefleet.options import Options
from fringefleet.products.registry import PRODUCTS, attributes_of_products


class Provenance(NamedTuple):
    """Inputs, options and settings that a result was made with.

    Attributes
    ----------
    network, moments, reference_date
        Dates and pairs; dates with their time, ISO; the date that displacement is relative to.
    options
        Options of the inversion.
    metres_per_unit
        Displacement per unit of the observation [m].
    skip_reference, drop_unreferenced
        Treatment of the reference point.
    water_mask, average_coherence
        Mask arrays, or the paths of their files, or None.
    selected
        Options that select the part of the stack, by name.
    source
        Path of the stack, if known.
    """

    network: Network
    moments: tuple[str, ...]
    reference_date: str
    options: Options
    metres_per_unit: float
    skip_reference: bool
    drop_unreferenced: bool
    water_mask: Any
    average_coherence: Any
    selected: Mapping[str, Any]
    source: str | None


def _name_of(mask: object) -> str:
    if mask is None:
        return "none"
    return str(mask) if isinstance(mask, str | Path) else "array"


def selection_attributes(selected: Mapping[str, Any]) -> dict[str, Any]:
    """Describe in attributes the part of the stack that was inverted.

    Examples
    --------
    >>> selection_attributes({"rows": (2, 9), "exclude_dates": ("20180106", "20180118")})
    {'selected_rows': [2, 9], 'selected_exclude_dates': '20180106 20180118'}
    """
    return {f"{SELECTED}{name}": _plain(value) for name, value in selected.items()}


def _plain(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    return " ".join(value) if all(isinstance(item, str) for item in value) else list(value)


SELECTED = "selected_"  # prefix of the attributes
MADE_FROM = "made_from"  # name of the result that maps of velocity, or those of another reference, are of
MASK_RULE = "mask_rule"  # which pixels of it were used
_SELECTION = (
    *("bbox", "rows", "columns", "start_date", "end_date", "exclude_dates", "exclude_pairs"),
    *("max_temporal_baseline", "max_perpendicular_baseline", "min_coherence"),
)
_Attributes = Mapping[str, Callable[[Provenance], Any]]  # None: it does not apply

_OF_ALL: _Attributes = {
    "reference_date": lambda made: made.reference_date,
    "weight_func": lambda made: made.options.weight_func,
    "mask_dataset": lambda made: made.options.mask_dataset or "none",
    "mask_threshold": lambda made: made.options.mask_threshold,
    "min_redundancy": lambda made: made.options.min_redundancy,
    "norm": lambda made: made.options.norm,
    "gap_rule": lambda made: made.options.gap_rule,
    "min_norm": lambda made: made.options.min_norm,
    "solver": lambda made: made.options.algorithm,
    "dtype": lambda made: made.options.dtype,
    "skip_reference": lambda made: str(made.skip_reference).lower(),
    "drop_unreferenced": lambda made: str(made.drop_unreferenced).lower(),
    "water_mask": lambda made: _name_of(made.water_mask),
    "average_coherence": lambda made: _name_of(made.average_coherence),
    "n_pair": lambda made: made.network.n_pair,
    "observation": lambda made: made.options.observation,
    "Conventions": lambda _: "CF-1.12",
    "fringefleet_version": lambda _: version("fringefleet"),
}
_WHERE_THEY_APPLY: _Attributes = {
    "stack": lambda made: Path(made.source).name if made.source else None,
    "metres_per_pixel": lambda made: made.metres_per_unit if made.options.is_offset else None,
    "huber_threshold": lambda made: made.options.huber_threshold if made.options.norm == "huber" else None,
}

PROVENANCE = tuple(_OF_ALL)  # of every result
EXTRA_PROVENANCE = (  # where they apply
    *_WHERE_THEY_APPLY,
    *dict.fromkeys(name for product in PRODUCTS for name in product.attributes),
    *(f"{SELECTED}{name}" for name in _SELECTION),
    "reference_window",
    "reference_choice",
    "rereferenced",
    MADE_FROM,
    "bridge",  # gap_rule, in results of earlier versions
)


def provenance_of(made: Provenance) -> dict[str, Any]:
    """Return the attributes that apply to a result, by name."""
    found = {name: find(made) for name, find in {**_OF_ALL, **_WHERE_THEY_APPLY}.items()}
    applying = {name: value for name, value in found.items() if value is not None}
    return applying | selection_attributes(made.selected) | attributes_of_products(made.options, made.moments)
