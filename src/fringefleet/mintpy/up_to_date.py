"""Check whether existing products of an inversion are up to date, so that nothing has to be done.

MintPy's ``--update`` asks the same of the same attributes, and so works on files of either program. Unlike
MintPy's, a file is complete if all of it has been written, whatever its size on disk, so compressed files
are; a water mask, an average coherence and whatever else decides the result count, too. What MintPy's
attributes do not say of that, our own :data:`SETTING_ATTRIBUTE` does.
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

SETTING_ATTRIBUTE = "fringefleet.setting"  # attribute of the products: what MintPy's own do not say, as JSON
FAILED_TILES = "fringefleet.failed_tiles"  # attribute of products that lack tiles: which
_MODIFIED = "MODIFICATION_TIME"


class ProductFile(NamedTuple):
    """A file that the inversion writes, and what must be in it."""

    path: Path
    dataset: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Expected:
    """Products as they should be, and what decides them.

    ``products``: the files; the first is the series, whose attributes count. ``datasets``: of the stack, the
    observation first. ``attributes``: what the products must say. ``setting``: what MintPy's attributes do
    not say; ``usual`` has the values of it that a file which says nothing of them was made with.
    ``sources``: other files that were read.
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
        """The value of the attribute :data:`SETTING_ATTRIBUTE`."""
        return json.dumps(dict(self.setting), sort_keys=True)


def reason_to_run(expected: Expected) -> str | None:
    """Find why the products have to be made again.

    Parameters
    ----------
    expected
        The products, and what they should be made of.

    Returns
    -------
    str or None
        The first reason, in words; None if they would come out as they are.
    """
    products = expected.products
    for product in products:
        if fault := _fault(product):
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


def _fault(product: ProductFile) -> str | None:
    """Say what is wrong with a file: missing, damaged, of another size, or not written to the end."""
    if not product.path.is_file():
        return "is not there"
    try:
        with open_hdf5(product.path) as file:
            dataset = file.get(product.dataset)
            if not isinstance(dataset, h5py.Dataset) or dataset.shape != product.shape:
                return f"has no {product.dataset} of {' x '.join(map(str, product.shape))}"
            return None if _is_written(dataset) else "was not written to the end"
    except StackFormatError:
        return "cannot be read"


def _is_written(dataset: h5py.Dataset) -> bool:
    """Whether all of a dataset has a place in the file: MintPy lays out the whole before it writes parts."""
    if dataset.chunks is None:
        return bool(dataset.id.get_storage_size() >= dataset.nbytes)
    n_chunk = math.prod(-(-size // step) for size, step in zip(dataset.shape, dataset.chunks, strict=True))
    return bool(dataset.id.get_num_chunks() >= n_chunk)


def _changes(expected: Expected) -> Iterator[tuple[str, float]]:
    """Say when what was read was last changed; MintPy notes that on every dataset."""
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
    said = _said(found.get(SETTING_ATTRIBUTE))
    before = expected.usual if said is None else said
    for name, value in expected.setting.items():
        if name in before and before[name] != value:
            return f"{name} was {before[name]} and is {value}"
        if said is not None and name not in before:
            return f"{name} is {value}"
    return None


def _said(text: Any) -> dict[str, Any] | None:
    try:
        said = json.loads(text)
    except (TypeError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def _plain(value: Any) -> str:
    """Write alike what means the same: numbers, and MintPy's three words for nothing."""
    text = "none" if value is None else str(value).strip().lower()
    if text in ("no", "false", "none"):
        return "none"
    try:
        return repr(float(text))
    except ValueError:
        return text
