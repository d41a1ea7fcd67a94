"""Check whether existing products of an inversion are up to date, so that nothing has to be done.

MintPy's ``--update`` compares the same attributes, so the check works on files of either program. Unlike
in MintPy, a file is complete if all of it has been written, whatever its size on disk, so compressed files
are; a water mask, an average coherence and everything else that affects the result count, too. What MintPy's
attributes do not contain is in our own :data:`SETTING_ATTRIBUTE`.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from fringefleet.errors import StackFormatError
from fringefleet.io.hdf5.variables import open_hdf5
from fringefleet.io.mintpy.metadata import plain_attributes

SETTING_ATTRIBUTE = "fringefleet.setting"  # attribute of the products, as JSON: settings not in MintPy's own
FAILED_TILES = "fringefleet.failed_tiles"  # attribute of products with missing tiles: their names
_MODIFIED = "MODIFICATION_TIME"


class ProductFile(NamedTuple):
    """File that the inversion writes, with its required content."""

    path: Path
    dataset: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Expected:
    """Required products, and everything that affects them.

    Attributes
    ----------
    products
        Files; the first is the series, whose attributes count.
    stack, datasets
        Stack, and its datasets, the observation first.
    attributes
        Required attributes of the products.
    setting
        Settings that MintPy's attributes do not contain.
    usual
        Values of these in a file without a record of them.
    sources
        Other files that were read.
    """

    products: tuple[ProductFile, ...]
    stack: Path
    datasets: tuple[str, ...]
    attributes: Mapping[str, str]
    setting: Mapping[str, Any]
    usual: Mapping[str, Any]
    sources: tuple[Path, ...] = ()

    @property
    def setting_text(self) -> str:
        """Value of the attribute :data:`SETTING_ATTRIBUTE`."""
        return json.dumps(dict(self.setting), sort_keys=True)


def reason_to_run(expected: Expected) -> str | None:
    """Return why the products have to be made again.

    Parameters
    ----------
    expected
        Products, and what they should be made from.

    Returns
    -------
    str or None
        First reason, in words; None if they are up to date.
    """
    products = expected.products
    for product in products:
        if fault := _find_defect(product):
            return f"{product.path} {fault}"
    oldest = min(product.path.stat().st_mtime for product in products)
    for name, time in _changes(expected):
        if time > oldest:
            return f"{name} is newer than the products"
    with open_hdf5(products[0].path) as file:
        attributes = plain_attributes(file.attrs)
    if FAILED_TILES in attributes:
        return f"{products[0].path} lacks {attributes[FAILED_TILES]}"
    return _difference(attributes, expected)


def _find_defect(product: ProductFile) -> str | None:
    """Describe the defect of a file: missing, damaged, of another size, or incomplete; None without one."""
    if not product.path.is_file():
        return "does not exist"
    try:
        with open_hdf5(product.path) as file:
            dataset = file.get(product.dataset)
            if not isinstance(dataset, h5py.Dataset) or dataset.shape != product.shape:
                return f"has no {product.dataset} of {' x '.join(map(str, product.shape))}"
            return None if _is_written(dataset) else "is incomplete"
    except StackFormatError:
        return "cannot be read"


def _is_written(dataset: h5py.Dataset) -> bool:
    """Return whether a dataset is fully allocated: MintPy allocates the whole before it writes parts."""
    if dataset.chunks is None:
        return bool(dataset.id.get_storage_size() >= dataset.nbytes)
    n_chunk = math.prod(-(-size // step) for size, step in zip(dataset.shape, dataset.chunks, strict=True))
    return bool(dataset.id.get_num_chunks() >= n_chunk)


def _changes(expected: Expected) -> Iterator[tuple[str, float]]:
    """Yield the time of the last change of each input; MintPy records it on every dataset."""
    of_stack = expected.stack.stat().st_mtime
    with open_hdf5(expected.stack) as file:
        for number, name in enumerate(expected.datasets):
            noted = plain_attributes(file[name].attrs).get(_MODIFIED)
            if noted is not None:
                yield f"{name} of {expected.stack}", _seconds(noted, of_stack)
            elif number == 0:
                yield str(expected.stack), of_stack
    for path in expected.sources:
        yield str(path), path.stat().st_mtime


def _seconds(noted: Any, otherwise: float) -> float:
    try:
        return float(noted)
    except (TypeError, ValueError):
        return otherwise


def _difference(found: Mapping[str, Any], expected: Expected) -> str | None:
    for name, value in expected.attributes.items():
        if _plain(found.get(name)) != _plain(value):
            return f"{name} was {found.get(name)} and is {value}"
    said = _parse_setting(found.get(SETTING_ATTRIBUTE))
    before = expected.usual if said is None else said
    for name, value in expected.setting.items():
        if name in before and before[name] != value:
            return f"{name} was {before[name]} and is {value}"
        if said is not None and name not in before:
            return f"{name} is {value}"
    return None


def _parse_setting(text: Any) -> dict[str, Any] | None:
    try:
        said = json.loads(text)
    except (TypeError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def _plain(value: Any) -> str:
    """Format equal values alike: numbers, and MintPy's three words for nothing."""
    text = "none" if value is None else str(value).strip().lower()
    if text in ("no", "false", "none"):
        return "none"
    try:
        return repr(float(text))
    except ValueError:
        return text
