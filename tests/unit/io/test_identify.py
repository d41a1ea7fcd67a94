"""Messages on a path that is no stack, or no result: what it is, and what to give instead."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

import fringefleet
from fringefleet.errors import StackFormatError
from fringefleet.io.identify import check_exists, identify
from fringefleet.io.store.open_result import open_result
from good_inputs import write_good_inputs
from unit.io.readers import checks, geotiffs
from unit.io.readers.test_gmtsar import write_stack as write_gmtsar
from unit.io.readers.test_gunw import write_folder


def hdf5(path, *datasets, **attrs):
    with h5py.File(path, "w") as file:
        for name in datasets:
            file[name] = np.zeros((2, 3))
        file.attrs.update(attrs)
    return path


def binary(path, content):
    path.write_bytes(content)
    return path


def folder(path, *names):
    for name in names:
        (path / name).mkdir(parents=True)
    return path


def geocoded(path):
    return write_gmtsar(path / "F1", geocoded=True)


FOREIGN = {
    "NISAR GUNW": (
        lambda path: hdf5(path / "NISAR_L2_PR_GUNW.h5", "science/LSAR/GUNW/metadata/x"),
        r"a NISAR product \(GUNW\).*prep_nisar",
    ),
    "a folder of NISAR products": (
        lambda path: hdf5(path / "NISAR_L2_PR_GUNW.h5", "science/LSAR/GUNW/metadata/x").parent,
        r"a folder with NISAR_L2_PR_GUNW.h5: a NISAR product \(GUNW\).*prep_nisar",
    ),
    "NISAR of the S band": (
        lambda path: hdf5(path / "n.h5", "science/SSAR/RIFG/x", "science/SSAR/identification/y"),
        r"a NISAR product \(RIFG\)",
    ),
    "OPERA DISP": (
        lambda path: hdf5(path / "OPERA_L3_DISP-S1_IW_F11116.nc", "displacement", "identification/x"),
        "an OPERA DISP product, which contains displacements already",
    ),
    "OPERA DISP of another name": (
        lambda path: hdf5(path / "disp.nc", "displacement", "identification/x", "metadata/y"),
        "an OPERA DISP product",
    ),
    "OPERA CSLC": (
        lambda path: hdf5(path / "OPERA_L2_CSLC-S1_T042.h5", "data/VV"),
        "an OPERA product; interf",
    ),
    "MintPy time series": (
        lambda path: hdf5(path / "timeseries.h5", "timeseries", "date", FILE_TYPE="timeseries"),
        "a file of MintPy's of the type timeseries.*give the ifgramStack.h5",
    ),
    "MintPy geometry": (
        lambda path: hdf5(path / "geometryGeo.h5", "height", FILE_TYPE="geometry"),
        "of the type geometry",
    ),
    "one S1-GUNW product": (
        lambda path: sorted(write_folder(path / "products").iterdir())[0],
        "one S1-GUNW product; give the folder .*/products",
    ),
    "any HDF5": (
        lambda path: hdf5(path / "a.h5", "one", "two"),
        "found no stack: it is an HDF5 file with one, two",
    ),
    "a GeoTIFF": (
        lambda path: sorted(geotiffs.hyp3_gamma(path, checks.simulated()).rglob("*_unw_phase.tif"))[0],
        "it is a TIFF image; give the folder",
    ),
    "a zip": (
        lambda path: binary(path / "a.zip", b"PK\3\4" + bytes(30)),
        "it is a zip archive; give the folder",
    ),
    "a text": (lambda path: binary(path / "a.txt", b"words"), "it is a text file"),
    "a text that is cut off": (
        lambda path: binary(path / "a.txt", 4095 * b"w" + "é".encode()),
        "it is a text",
    ),
    "random bytes": (lambda path: binary(path / "a.h5", b"\xc3\x28\x81" * 9), "it is a file of unknown type"),
    "a template": (
        lambda path: binary(path / "a.cfg", b"# x\nmintpy.load.unwFile = a\n"),
        "it is a template of MintPy; give it with template",
    ),
    "nothing": (lambda path: binary(path / "a.h5", b""), "it is an empty file"),
    "noise": (
        lambda path: binary(path / "a.h5", bytes(range(256))),
        "it is a file of unknown type",
    ),
    "an empty folder": (lambda path: folder(path / "empty", "."), "it is a folder with nothing in it"),
    "a folder": (lambda path: folder(path / "some", "a", "b"), "it is a folder with a/, b/"),
    "GMTSAR without radar geometry": (
        geocoded,
        r"geocoded grids but without unwrap.grd; give one of them, .*/\d{7}_\d{7}/unwrap_ll.grd",
    ),
    "GMTSAR's intf_all": (lambda path: geocoded(path) / "intf_all", r"give one of them, .*/unwrap_ll.grd"),
    "the metadata of a store": (
        lambda path: binary(folder(path / "s.zarr", ".") / "zarr.json", b"{}"),
        "it is the metadata of a Zarr store; give its folder: .*s.zarr",
    ),
    "a project": (
        lambda path: hdf5(folder(path, "inputs") / "inputs" / "ifgramStack.h5", "unwrapPhase") and path,
        "it is a MintPy project; give .*inputs/ifgramStack.h5, or use `fringefleet mintpy`",
    ),
}


@pytest.mark.parametrize(("make", "message"), FOREIGN.values(), ids=list(FOREIGN))
def test_what_is_given_for_a_stack_is_named(make, message, tmp_path):
    path = make(tmp_path)
    with pytest.raises(StackFormatError, match=message) as error:
        fringefleet.open_stack(path)
    assert len(str(error.value)) < 400 + 2 * len(str(path))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return write_good_inputs(tmp_path_factory.mktemp("good"))


@pytest.mark.parametrize("kind", ["zarr", "zarr 2", "netcdf", "mintpy"])
def test_a_stack_given_for_a_result_has_to_be_inverted_first(kind, good):
    with pytest.raises(StackFormatError, match=r"not a result: it is a stack .* `fringefleet invert` makes"):
        open_result(good[kind])


def test_an_array_given_for_a_store_is_named(good):
    for kind in ("zarr", "zarr 2"):
        array = good[kind] / "unwrapped_phase"
        with pytest.raises(
            StackFormatError, match=f"one array of a Zarr store; give the store: {good[kind]}"
        ):
            fringefleet.open_stack(array)


def test_a_store_without_ours_names_its_arrays(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array("height", shape=(3, 3), dtype="f4")
    assert identify(tmp_path / "a.zarr") == "a Zarr store with height, and no unwrapped_phase"


def test_a_path_that_is_not_there_names_its_neighbours_the_nearest_first(tmp_path, monkeypatch):
    for name in ("text.h5", "ifgramStack.h5", "other", ".hidden"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StackFormatError, match=re.escape("(here: ifgramStack.h5, other, text.h5)")):
        check_exists(Path("ifgramStak.h5"))
    monkeypatch.chdir("/")
    with pytest.raises(StackFormatError, match=r"no such file or folder \(in /.*: ifgramStack.h5, other"):
        check_exists(tmp_path / "gone" / "deep" / "stack.zarr")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(StackFormatError, match="it is a link to nowhere"):
        check_exists(tmp_path / "link")


def test_a_name_that_is_too_long_is_said_so_whoever_looks_at_it(tmp_path):
    name = 260 * "a" + ".zarr"
    for use in (fringefleet.open_stack, open_result):
        with pytest.raises(
            StackFormatError, match=r"^found a name of 265 characters, a{20}\.\.\.; .* Give a"
        ):
            use(tmp_path / name)
