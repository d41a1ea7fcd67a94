"""Every dataset that is read of MintPy's files, as something of another kind or shape than it has to be."""

import h5py
import numpy as np
import pytest

from fringefleet.errors import StackFormatError
from fringefleet.io import open_stack, read_average_coherence, read_geometry, read_water_mask
from fringefleet.mintpy.coherence_mask import Reliable, check_reliable
from unit.mintpy_stack import ATTRIBUTES, stack_parts

SHAPE = (6, 7)
PARTS = stack_parts(SHAPE)
NUMBERS = {"bperp", "connectComponent"}  # of which integers will do
WAYS = {
    "text": lambda values: np.full(values.shape, b"False"),
    "complex": lambda values: np.ones(values.shape, np.complex64),
    "records": lambda values: np.zeros(values.shape, [("a", "f4"), ("b", "f4")]),
    "opaque": lambda values: np.zeros(values.shape, "V4"),
    "nothing": lambda _: h5py.Empty("f4"),
    "one value": lambda _: np.float32(1),
    "a value too few": lambda values: values[..., :-1],
    "twice as many": lambda values: np.concatenate([values, values]),
    "no value": lambda values: values[:0],
    "another axis": lambda values: values[..., None],
    "numbers": lambda values: np.full(values.shape, 7),
    "a group": None,
    "a link to nowhere": h5py.SoftLink("/nowhere"),
    "a link to another file": h5py.ExternalLink("nowhere.h5", "/x"),
    "a link to itself": h5py.SoftLink("/{}"),
}
MAPS = {
    "waterMask": read_water_mask,
    "mask": read_water_mask,
    "coherence": read_average_coherence,
    "slantRangeDistance": read_geometry,
    "incidenceAngle": read_geometry,
    "shadowMask": lambda path, shape: check_reliable(Reliable(0.7, True, path), shape),
}
# A map that is not there may be none that is needed, or MintPy leaves it out, too.
FINE = {
    *((name, "numbers") for name in (*MAPS, *NUMBERS)),
    ("date", "text"),  # which is what it has to be; that it is no date is found all the same
    *(("coherence", way) for way in ("a value too few", "twice as many", "no value")),
}


def put(file, name, values, way):
    make = WAYS[way]
    if make is None:
        file.create_group(name)
    elif isinstance(make, h5py.ExternalLink):
        file[name] = make
    elif isinstance(make, h5py.SoftLink):
        file[name] = h5py.SoftLink(make.path.format(name))
    else:
        file[name] = make(values)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PARTS)
def test_a_dataset_of_a_stack_that_is_something_else_is_refused_by_its_name(tmp_path, name, way):
    if (name, way) in FINE and name != "date":
        pytest.skip("numbers are what it has to be")
    path = tmp_path / "ifgramStack.h5"
    with h5py.File(path, "w") as file:
        for other, values in PARTS.items():
            if other != name:
                file[other] = values
        put(file, name, PARTS[name], way)
        file.attrs.update(ATTRIBUTES)
    with pytest.raises(StackFormatError) as refused:
        open_stack(path)
    assert name in str(refused.value) or "ifgramStack.h5" in str(refused.value)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MAPS)
def test_a_map_that_is_something_else_is_refused_by_the_name_of_its_file(tmp_path, name, way):
    if (name, way) in FINE:
        pytest.skip("MintPy takes it, or leaves it out")
    path = tmp_path / "map.h5"
    with h5py.File(path, "w") as file:
        put(file, name, np.ones(SHAPE, np.float32), way)
    with pytest.raises(StackFormatError, match=r"map\.h5"):
        MAPS[name](path, SHAPE)


@pytest.mark.parametrize("kept", [True, 1, 1.0, np.uint8(1)])
def test_pairs_that_are_kept_may_be_marked_by_booleans_or_by_ones(tmp_path, kept):
    path = tmp_path / "ifgramStack.h5"
    with h5py.File(path, "w") as file:
        for name, values in PARTS.items():
            file[name] = values
        del file["dropIfgram"]
        marks = np.full(5, kept)
        marks[2] = 0
        file["dropIfgram"] = marks
        file.attrs.update(ATTRIBUTES)
    assert open_stack(path).sizes["pair"] == 4
