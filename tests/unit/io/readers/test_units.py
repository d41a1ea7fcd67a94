"""Units that files declare, in every reader."""

import math
import shutil

import h5py
import numpy as np
import pytest
import rasterio
import zarr

import fringefleet
from fringefleet.errors import StackFormatError
from unit.io.readers import checks, geotiffs, test_aria, test_gmtsar, test_gunw, test_isce
from unit.mintpy_stack import ATTRIBUTES, stack_parts

DEGREE = np.float32(math.pi / 180)
NAMES = ("unwrapped_phase", "coherence")


def geotiff(write, phase, coherence):
    def make(folder):
        return write(folder, checks.simulated())

    def declare(path, name, unit):
        for file in path.rglob({"unwrapped_phase": phase, "coherence": coherence}[name]):
            with rasterio.open(file, "r+") as raster:
                raster.set_band_unit(1, unit)

    return make, declare


def hdf5(make, pattern, dataset, attribute):
    def declare(path, name, unit):
        pair = dataset[name] if isinstance(dataset[name], tuple) else (pattern, dataset[name])
        for file in [path] if path.is_file() else path.rglob(pair[0]):
            with h5py.File(file, "r+") as opened:
                opened[pair[1]].attrs[attribute] = np.bytes_(unit)

    return make, declare


def mintpy(folder):
    path = folder / "ifgramStack.h5"
    with h5py.File(path, "w") as file:
        for name, values in stack_parts(shape=(20, 24)).items():
            file[name] = values
        file.attrs.update(ATTRIBUTES)
    return path


def silent():
    """The scene in a store that says nothing of units."""
    stack = checks.simulated().drop_vars("spatial_ref")
    return stack.drop_attrs().assign_attrs(stack.attrs)


def netcdf(folder):
    silent().to_netcdf(folder / "stack.nc", engine="h5netcdf")
    return folder / "stack.nc"


def store(folder):
    path = folder / "stack.zarr"
    silent().to_zarr(path, zarr_format=3, consolidated=False)
    return path


def declare_in_store(path, name, unit):
    zarr.open_array(path / name, mode="r+").attrs["units"] = unit


def declare_in_vrt(pattern):
    """Add the unit to the band that has the values, the last one."""

    def declare(path, name, unit):
        for file in path.rglob(pattern[name]):
            before, mark, after = file.read_text().rpartition("</VRTRasterBand>")
            file.write_text(f"{before}<UnitType>{unit}</UnitType>{mark}{after}")

    return declare


def aria(folder):
    return test_aria.write_work(folder / "aria")


ARIA = {"unwrapped_phase": "unwrappedPhase/*.vrt", "coherence": "coherence/*.vrt"}
ISCE = {"unwrapped_phase": "filt_fine.unw.vrt", "coherence": "filt_fine.cor.vrt"}
GMT = {"unwrapped_phase": ("unwrap.grd", "z"), "coherence": ("corr.grd", "z")}
GUNW = {name: f"science/grids/data/{theirs}" for name, theirs in zip(NAMES, test_gunw.FILLS, strict=False)}
READERS = {
    "HyP3": geotiff(geotiffs.hyp3_burst, "*_unw_phase.tif", "*_corr.tif"),
    "LiCSAR": geotiff(geotiffs.licsar, "*.geo.unw.tif", "*.geo.cc.tif"),
    "dolphin": geotiff(geotiffs.dolphin, "????????_????????.unw.tif", "*.int.cor.tif"),
    "ISCE2": (lambda folder: test_isce.write_work(folder / "work"), declare_in_vrt(ISCE)),
    "ARIA-tools": (aria, declare_in_vrt(ARIA)),
    "ARIA GUNW": hdf5(lambda folder: test_gunw.write_folder(folder / "products"), "*.nc", GUNW, "units"),
    "GMTSAR": hdf5(lambda folder: test_gmtsar.write_stack(folder) or folder, "", GMT, "units"),
    "MintPy": hdf5(mintpy, "", {"unwrapped_phase": "unwrapPhase", "coherence": "coherence"}, "UNIT"),
    "NetCDF": hdf5(netcdf, "", dict(zip(NAMES, NAMES, strict=True)), "units"),
    "Zarr": (store, declare_in_store),
}


@pytest.fixture(params=READERS)
def reader(request, tmp_path):
    """A stack of this reader, and how to declare the unit of a variable in its files."""
    make, declare = READERS[request.param]
    return make(tmp_path), declare


def opened(path):
    return fringefleet.open_stack(path, chunks=None).load()


def test_no_word_and_any_spelling_of_our_unit_change_nothing(reader):
    path, declare = reader
    before = opened(path)
    declare(path, "unwrapped_phase", "Radians")
    declare(path, "coherence", "unitless")
    after = opened(path)
    for name in NAMES:
        np.testing.assert_array_equal(after[name], before[name])


def test_phases_in_degrees_and_coherence_in_percent_are_converted_lazily(reader, tmp_path):
    path, declare = reader
    before = opened(path)
    declare(path, "unwrapped_phase", "degrees")
    declare(path, "coherence", "percent")
    stack = fringefleet.open_stack(path, chunks=None)
    checks.assert_lazy(stack)
    np.testing.assert_array_equal(stack.unwrapped_phase, before.unwrapped_phase * DEGREE)
    np.testing.assert_array_equal(stack.coherence, before.coherence * np.float32(0.01))
    assert (stack.unwrapped_phase.attrs["units"], stack.coherence.attrs["units"]) == ("rad", "1")
    assert "UNIT" not in stack.unwrapped_phase.attrs
    checks.assert_windows(path, before.unwrapped_phase * DEGREE)
    fringefleet.convert_stack(path, tmp_path / "copy.zarr")
    again = fringefleet.open_stack(tmp_path / "copy.zarr", chunks=None)
    np.testing.assert_array_equal(again.unwrapped_phase, before.unwrapped_phase * DEGREE)


def test_phases_in_metres_are_opened_and_refused_by_the_inversion(reader):
    path, declare = reader
    declare(path, "unwrapped_phase", "m")
    stack = fringefleet.open_stack(path)
    with pytest.raises(StackFormatError, match="found the unit 'm' of unwrapped_phase; radians are needed"):
        fringefleet.invert(stack, weight_func="no", wavelength=0.0555, reference_point=(3, 3))


def test_pairs_in_different_units_are_refused_by_name(tmp_path):
    make, declare = READERS["dolphin"]
    folder = make(tmp_path)
    file = min(folder.rglob("????????_????????.unw.tif"))
    shutil.copy(file, tmp_path / "kept.tif")
    declare(folder, "unwrapped_phase", "radians")
    shutil.copy(tmp_path / "kept.tif", file)  # no word is radians
    opened(folder)
    with rasterio.open(file, "r+") as raster:
        raster.set_band_unit(1, "degree")
    with pytest.raises(StackFormatError, match=r"'radians', that of .*unw.tif 'degree'; all images"):
        opened(folder)


def test_a_unit_of_the_whole_mintpy_file_is_that_of_what_it_observes(tmp_path):
    path = mintpy(tmp_path)
    before = opened(path)
    with h5py.File(path, "r+") as file:
        file.attrs["UNIT"] = "degree"
    after = opened(path)
    np.testing.assert_array_equal(after.unwrapped_phase, before.unwrapped_phase * DEGREE)
    np.testing.assert_array_equal(after.coherence, before.coherence)
    with h5py.File(path, "r+") as file:
        file["unwrapPhase"].attrs["UNIT"] = "radian"
    np.testing.assert_array_equal(opened(path).unwrapped_phase, before.unwrapped_phase)


def test_a_tag_of_a_geotiff_with_one_band_is_its_unit(tmp_path):
    folder = geotiffs.dolphin(tmp_path, checks.simulated())
    before = opened(folder)
    for file in folder.rglob("????????_????????.unw.tif"):
        with rasterio.open(file, "r+") as raster:
            raster.update_tags(UNITS="degree")
    np.testing.assert_array_equal(opened(folder).unwrapped_phase, before.unwrapped_phase * DEGREE)


def test_baselines_and_angles_of_a_gunw_product_are_converted(tmp_path):
    folder = test_gunw.write_folder(tmp_path / "products")
    before = opened(folder)
    units = {"imagingGeometry/perpendicularBaseline": "km", "imagingGeometry/incidenceAngle": "radians"}
    for path in folder.glob("*.nc"):
        with h5py.File(path, "r+") as file:
            for name, unit in units.items():
                file[f"science/grids/{name}"].attrs["units"] = np.bytes_(unit)
            file["science/radarMetaData/wavelength"][()] *= 100
            file["science/radarMetaData/wavelength"].attrs["units"] = np.bytes_("cm")
    after = opened(folder)
    np.testing.assert_allclose(after.perpendicular_baseline, before.perpendicular_baseline * 1000, rtol=1e-6)
    angles = [stack.attrs["CENTER_INCIDENCE_ANGLE"] for stack in (after, before)]
    assert angles[0] == pytest.approx(np.degrees(angles[1]))
    assert after.wavelength == pytest.approx(before.wavelength)
