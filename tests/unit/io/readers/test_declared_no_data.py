"""Every way in which every format declares no data: the same hole in every variable of the same scene."""

import re
import warnings

import h5py
import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr
from rasterio.errors import NotGeoreferencedWarning
from scipy.io import netcdf_file

import fringefleet
from fringefleet import Run, Setting
from fringefleet.status import Status
from unit.io.readers import checks, geotiffs, test_aria, test_gmtsar, test_gunw, test_isce

HOLE = (..., slice(0, 8), slice(0, 8))  # a stored chunk
NUMBER = -9999.9  # no float32
OURS = ("unwrapped_phase", "coherence")
PACKED = {"unwrapped_phase": (2e-3, 0.5), "coherence": (1e-4, 0.25)}  # scale and offset of 16 bits
COARSE = {"unwrapped_phase": 0.25, "coherence": 5e-3}  # scale of 8 bits


def holed(number=NUMBER, names=OURS):
    """The scene with a number in the hole, and something everywhere else."""
    stack = checks.simulated().fillna(1.0)
    filled = {}
    for name in names:
        values = stack[name].values.copy()
        values[HOLE] = number
        filled[name] = (stack[name].dims, values)
    return stack.drop_attrs(deep=False).assign_attrs(wavelength=0.0555, looks=39).assign(filled)


def packed(dtype):
    """The same as integers, with the attributes that say so."""
    stack = holed(np.nan)
    limits = np.iinfo(dtype)
    for name, (fine, offset) in PACKED.items():
        scale = fine if dtype.itemsize > 1 else COARSE[name]
        values = np.round((stack[name] - offset) / scale)
        values = values.clip(limits.min + 1, limits.max - 1).fillna(limits.max).astype(dtype)
        stack[name] = values.assign_attrs(scale_factor=scale, add_offset=offset)
    return stack


def declare(stack, **attrs):
    for name in OURS:
        stack[name].attrs.update(attrs)
    return stack


def to_zarr(folder, stack, version=3, **encoding):
    whole = {name: {"chunks": (9, 8, 8), **encoding} for name in OURS}
    if version == 3:  # attributes as others write them, and not as xarray does
        attrs = {name: stack[name].attrs for name in OURS}
        bare = stack.assign({name: stack[name].drop_attrs() for name in OURS})
        bare.to_zarr(folder, encoding=whole, zarr_format=3, consolidated=False)
        for name in OURS:
            zarr.open_array(folder / name, mode="r+").attrs.update(attrs[name])
        return folder
    stack.to_zarr(folder, encoding=whole, zarr_format=2, consolidated=False)
    return folder


def xarray_v3(folder):
    encoding = {name: {"_FillValue": np.float32(NUMBER)} for name in OURS}
    holed(np.nan).to_zarr(folder, encoding=encoding, zarr_format=3, consolidated=False)
    return folder


def never_written(folder, version):
    """Chunks without a file, of a fill value that somebody chose."""
    path = to_zarr(folder, holed(np.nan), version)
    for name in OURS:
        values = zarr.open_array(path / name, mode="r")[...]
        size = {"shape": values.shape, "chunks": (9, 8, 8), "dtype": "f4", "fill_value": NUMBER}
        size |= {"dimension_names": ("pair", "y", "x")} if version == 3 else {}
        array = zarr.create_array(path / name, zarr_format=version, overwrite=True, **size)
        if version == 2:
            array.attrs["_ARRAY_DIMENSIONS"] = ["pair", "y", "x"]
        array[:, 8:] = values[:, 8:]
        array[:, :8, 8:] = values[:, :8, 8:]
    return path


def attribute_of_zarr_2(folder):
    """An attribute that somebody added, while the array has a fill value of its own."""
    path = to_zarr(folder, holed(), 2, _FillValue=np.nan)
    for name in OURS:
        zarr.open_array(path / name, mode="r+").attrs["_FillValue"] = NUMBER
    return path


def to_netcdf(folder, stack):
    stack.to_netcdf(folder.with_suffix(".nc"), engine="h5netcdf")
    return folder.with_suffix(".nc")


def made_with(folder, stack, names=OURS, fill=NUMBER):
    """The fill value of the dataset itself, and no attribute, as the NetCDF library has it by default."""
    path = to_netcdf(folder, stack)
    with h5py.File(path, "r+") as file:
        for name in names:
            _with_fill(file, name, fill)
    return path


def _with_fill(file, name, fill):
    old = file[name]
    scales = [[scale.name for scale in dim.values()] for dim in old.dims]
    values, attrs = old[()], {k: v for k, v in old.attrs.items() if k != "DIMENSION_LIST"}
    del file[name]
    new = file.create_dataset(name, data=values, fillvalue=values.dtype.type(fill))
    new.attrs.update({k: v for k, v in attrs.items() if k not in ("_FillValue", "missing_value")})
    for dim, names in zip(new.dims, scales, strict=True):
        for scale in names:
            dim.attach_scale(file[scale])


def to_mintpy(folder, stack, attrs=None, fill=None, of_file=None):
    path = folder.with_suffix(".h5")
    with h5py.File(path, "w") as file:
        file["date"] = np.array(checks.text_dates(stack), "S")
        for ours, theirs in zip(OURS, ("unwrapPhase", "coherence"), strict=True):
            data = stack[ours].values
            item = file.create_dataset(
                theirs, data=data, fillvalue=None if fill is None else np.float32(fill)
            )
            item.attrs.update(attrs or {})
        component = np.where(np.isin(stack.connected_component, (1, 2)), stack.connected_component, 0)
        file["connectComponent"] = component.astype("i2")
        file.attrs.update({"FILE_TYPE": "ifgramStack", "WAVELENGTH": "0.0555"} | (of_file or {}))
    return path


def geotiff(write, change):
    """Rewrite the images of a folder of GeoTIFFs without a tag, and let a change declare the hole."""

    def make(folder):
        path = write(folder, holed())
        names = re.compile(r"(unw_phase|corr|geo\.unw|geo\.cc|\d\.unw|int\.cor)\.tif")
        for image in sorted(path.rglob("*.tif")):
            if names.search(image.name) and "filt" not in image.name:
                with rasterio.open(image) as file:
                    values, profile = file.read(1), file.profile | {"nodata": None}
                profile = {k: v for k, v in profile.items() if k not in ("tiled", "blockxsize", "blockysize")}
                change(image, values, profile)
        return path

    return make


def tag(image, values, profile):
    with rasterio.open(image, "w", **profile | {"nodata": NUMBER}) as file:
        file.write(values, 1)


def huge(image, values, profile):
    """A header with few digits."""
    values = np.where(values == np.float32(NUMBER), np.finfo("f4").min, values)
    with rasterio.open(image, "w", **profile | {"nodata": -3.4e38}) as file:
        file.write(values, 1)


def metadata(image, values, profile):
    with rasterio.open(image, "w", **profile) as file:
        file.write(values, 1)
        file.update_tags(1, missing_value=f"{{1e20,{NUMBER}}}")


def sidecar(image, values, profile):
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(image, "w", **profile) as file:
        file.write(values, 1)
        file.write_mask(np.where(values == np.float32(NUMBER), 0, 255).astype("u1"))
    assert image.with_name(image.name + ".msk").exists()


def internal_mask(image, values, profile):
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(image, "w", **profile) as file:
        file.write(values, 1)
        file.write_mask(np.where(values == np.float32(NUMBER), 0, 255).astype("u1"))
    assert not image.with_name(image.name + ".msk").exists()


def alpha(image, values, profile):
    with rasterio.open(image, "w", **profile | {"count": 2, "alpha": "yes"}) as file:
        file.write(values, 1)
        file.write(np.where(values == np.float32(NUMBER), 0, 1).astype(values.dtype), 2)
        file.colorinterp = [rasterio.enums.ColorInterp.gray, rasterio.enums.ColorInterp.alpha]


def scaled(image, values, profile):
    """16 bits with GDAL's scale and offset."""
    name = "coherence" if re.search("corr|cc|cor", image.name.rpartition("_")[2]) else "unwrapped_phase"
    scale, offset = PACKED[name]
    stored = np.where(values == np.float32(NUMBER), -32768, np.round((values - offset) / scale))
    with rasterio.open(image, "w", **profile | {"dtype": "int16", "nodata": -32768}) as file:
        file.write(stored.astype("i2"), 1)
        file.scales, file.offsets = (scale,), (offset,)


def aux(image, values, profile):
    """What GDAL keeps beside a file that it may not write to."""
    with rasterio.open(image, "w", **profile) as file:
        file.write(values, 1)
    said = f'<PAMRasterBand band="1"><NoDataValue>{NUMBER}</NoDataValue></PAMRasterBand>'
    text = f"<PAMDataset>{said}</PAMDataset>"
    image.with_name(image.name + ".aux.xml").write_text(text)


def isce(change):
    """Images with a VRT, which declares it."""

    def make(folder):
        for index, dates in enumerate(test_isce.DATES):
            stack = holed().isel(pair=index)
            pair = folder / "merged" / "interferograms" / "_".join(dates)
            pair.mkdir(parents=True)
            phase, coherence = (stack[name].values for name in OURS)
            test_isce.write_image(pair / "filt_fine.unw", np.ones_like(phase), phase)
            test_isce.write_image(pair / "filt_fine.cor", coherence)
            for path in sorted(pair.glob("*.vrt")):
                change(path, stack)
        return folder

    return make


def vrt_value(path, _):
    said = f"<NoDataValue>{NUMBER}</NoDataValue><SourceFilename"
    path.write_text(path.read_text().replace("<SourceFilename", said))


def vrt_mask(path, stack):
    mask = np.where(stack.coherence.values == np.float32(NUMBER), 0, 255).astype("u1")
    test_isce.write_image(path.with_name("mask.byte"), mask)
    band = (
        '<MaskBand><VRTRasterBand dataType="Byte"><SimpleSource><SourceFilename relativeToVRT="1">'
        "mask.byte.vrt</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></MaskBand></VRTDataset>"
    )
    path.write_text(path.read_text().replace("</VRTDataset>", band))


def envi(folder):
    """``data ignore value`` in the headers of ENVI."""
    stack = holed()
    for index, (first, second) in enumerate(checks.text_dates(stack)):
        for name, place in zip(OURS, ("unwrappedPhase", "coherence"), strict=True):
            values = stack[name].isel(pair=index).values
            path = folder / place / f"{second}_{first}"
            test_aria.write_file(path, values, NUMBER)
            assert "data ignore value" in path.with_name(path.name + ".hdr").read_text()
    return folder


def gmt(classic, pack):
    def make(folder):
        for index, dates in enumerate(test_gmtsar.DATES):
            pair = folder / "intf_all" / test_gmtsar.name(dates)
            pair.mkdir(parents=True)
            for name, file in zip(OURS, ("unwrap.grd", "corr.grd"), strict=True):
                values = holed().isel(pair=index)[name].values
                test_gmtsar.write_grid(pair / file, values, classic=classic)
                pack(pair / file, name)
        return folder

    return make


def grid_value(path, _):
    with h5py.File(path, "r+") as file:
        file["z"].attrs["_FillValue"] = np.float32(NUMBER)


def grid_classic(path, _):
    with netcdf_file(path, "a") as file:
        file.variables["z"]._FillValue = np.float32(NUMBER)


def grid_packed(path, name):
    """As ``gmt grdconvert a.grd b.grd=ns+s0.002+o0.5`` packs it."""
    scale, offset = PACKED[name]
    with netcdf_file(path, "r", mmap=False) as file:
        z = file.variables["z"][:].copy()
        places = {k: file.variables[k][:].copy() for k in ("x", "y")}
    stored = np.where(z == np.float32(NUMBER), -32768, np.round((z - offset) / scale)).astype("i2")
    path.unlink()
    with netcdf_file(path, "w") as file:
        for key, values in places.items():
            file.createDimension(key, len(values))
            file.createVariable(key, "f8", (key,))[:] = values
        variable = file.createVariable("z", "i2", ("y", "x"))
        variable[:] = stored
        variable.scale_factor, variable.add_offset, variable._FillValue = scale, offset, np.int16(-32768)


def gunw(change):
    def make(folder):
        path = test_gunw.write_folder(folder)
        order = {name: index for index, name in enumerate(test_aria.NAMES)}
        for name, index in order.items():
            with h5py.File(path / test_gunw.product(name), "r+") as file:
                for ours, theirs in zip(OURS, ("unwrappedPhase", "coherence"), strict=True):
                    data = file["science/grids/data"]
                    values = holed().isel(pair=index)[ours].values
                    del data[theirs]
                    change(data, theirs, values)
        return path

    return make


def gunw_attribute(data, name, values):
    data.create_dataset(name, data=values).attrs["_FillValue"] = np.float32([NUMBER])


def gunw_missing(data, name, values):
    data.create_dataset(name, data=values).attrs["missing_value"] = np.array([1e20, NUMBER])


def gunw_fill(data, name, values):
    data.create_dataset(name, data=values, fillvalue=np.float32(NUMBER))


def gunw_range(data, name, values):
    data.create_dataset(name, data=values).attrs["valid_range"] = np.float32([-200, 200])


I2, I1 = np.dtype("i2"), np.dtype("i1")
BYTES = {"_Unsigned": "true", "_FillValue": -1}
WAYS = {
    "Zarr v3, chunks never written": lambda f: never_written(f, 3),
    "Zarr v2, chunks never written": lambda f: never_written(f, 2),
    "Zarr v2, attribute besides a fill value": attribute_of_zarr_2,
    "Zarr v2, fill value": lambda f: to_zarr(f, holed(np.nan), 2, _FillValue=NUMBER),
    "Zarr v3, _FillValue of xarray": xarray_v3,
    "Zarr v3, _FillValue as a number": lambda f: to_zarr(f, declare(holed(), _FillValue=NUMBER)),
    "Zarr v3, _FillValue as text": lambda f: to_zarr(f, declare(holed(), _FillValue=str(NUMBER))),
    "Zarr v3, missing value": lambda f: to_zarr(f, declare(holed(), missing_value=NUMBER)),
    "Zarr v3, missing values": lambda f: to_zarr(f, declare(holed(), missing_value=[1e20, NUMBER])),
    "Zarr v3, nodata": lambda f: to_zarr(f, declare(holed(), nodata=NUMBER)),
    "Zarr v3, valid range": lambda f: to_zarr(f, declare(holed(), valid_range=[-200.0, 200.0])),
    "Zarr v3, valid minimum": lambda f: to_zarr(f, declare(holed(), valid_min=-200)),
    "Zarr v3, valid maximum": lambda f: to_zarr(f, declare(holed(9e3), valid_max=200)),
    "Zarr v3, 16 bits": lambda f: to_zarr(f, declare(packed(I2), _FillValue=32767)),
    "Zarr v3, 16 bits, valid range": lambda f: to_zarr(f, declare(packed(I2), valid_max=32766)),
    "Zarr v2, of the whole store": lambda f: to_zarr(f, holed().assign_attrs(NO_DATA_VALUE=str(NUMBER)), 2),
    "NetCDF, _FillValue": lambda f: to_netcdf(f, declare(holed(), _FillValue=np.float32(NUMBER))),
    "NetCDF, missing values": lambda f: to_netcdf(
        f, declare(holed(), missing_value=np.array([1e20, NUMBER]))
    ),
    "NetCDF, valid range": lambda f: to_netcdf(f, declare(holed(), valid_range=np.float32([-200, 200]))),
    "NetCDF, made with it": lambda f: made_with(f, holed()),
    "NetCDF, the library's own": lambda f: made_with(
        f, holed(9.969209968386869e36), fill=9.969209968386869e36
    ),
    "NetCDF, 16 bits": lambda f: to_netcdf(f, declare(packed(I2), _FillValue=np.int16(32767))),
    "NetCDF, 16 bits, made with it": lambda f: made_with(f, packed(I2), fill=32767),
    "MintPy, of the whole file": lambda f: to_mintpy(f, holed(), of_file={"NO_DATA_VALUE": str(NUMBER)}),
    "MintPy, _FillValue": lambda f: to_mintpy(f, holed(), {"_FillValue": np.float32(NUMBER)}),
    "MintPy, missing values": lambda f: to_mintpy(f, holed(), {"missing_value": np.array([1e20, NUMBER])}),
    "MintPy, valid range": lambda f: to_mintpy(f, holed(), {"valid_range": np.float32([-200, 200])}),
    "MintPy, text": lambda f: to_mintpy(f, holed(), {"no_data_value": str(NUMBER)}),
    "MintPy, made with it": lambda f: to_mintpy(f, holed(), fill=NUMBER),
    **{
        f"{name}, {change.__name__}": geotiff(write, change)
        for name, write in (
            ("HyP3", geotiffs.hyp3_gamma),
            ("LiCSAR", lambda folder, stack: geotiffs.licsar(folder, stack, False, False)),
            ("dolphin", geotiffs.dolphin),
        )
        for change in (tag, huge, metadata, sidecar, internal_mask, alpha, scaled, aux)
    },
    "ISCE, VRT": isce(vrt_value),
    "ISCE, mask of a VRT": isce(vrt_mask),
    "ARIA-tools, ENVI": envi,
    "GMTSAR, NetCDF-4": gmt(False, grid_value),
    "GMTSAR, NetCDF-3": gmt(True, grid_classic),
    "GMTSAR, 16 bits": gmt(True, grid_packed),
    **{
        f"GUNW, {change.__name__}": gunw(change)
        for change in (gunw_attribute, gunw_missing, gunw_fill, gunw_range)
    },
}


def opened(make, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        path = make(folder)
    stack = fringefleet.open_stack(path, chunks=None)
    return stack.sortby(["reference_date", "secondary_date"])


@pytest.mark.parametrize("way", WAYS)
def test_what_is_declared_as_no_data_is_missing_and_nothing_else_is(way, tmp_path):
    stack = opened(WAYS[way], tmp_path / "stack")
    wanted = holed(np.nan)
    if way.startswith(("ARIA", "GUNW")):  # the later date first, and order by it
        dates = {"reference_date": wanted.secondary_date, "secondary_date": wanted.reference_date}
        wanted = wanted.assign_coords({name: ("pair", values.values) for name, values in dates.items()})
        wanted = wanted.sortby(["reference_date", "secondary_date"])
    tolerance = (
        {name: scale for name, (scale, _) in PACKED.items()} if "16 bits" in way or "scaled" in way else {}
    )
    for name in OURS:
        values, expected = stack[name].values, wanted[name].values
        assert values.dtype == np.float32
        assert np.isnan(values[HOLE]).all()
        np.testing.assert_allclose(values, expected, atol=tolerance.get(name, 0) * 0.51, rtol=1e-6)
    assert ("stored_as" in stack.unwrapped_phase.attrs) == bool(tolerance)
    leftover = {
        "_FillValue",
        "missing_value",
        "valid_range",
        "valid_min",
        "valid_max",
        "scale_factor",
        "nodata",
    }
    assert not leftover & stack.unwrapped_phase.attrs.keys()


def test_bytes_with_the_sign_that_they_are_said_not_to_have(tmp_path):
    for write in (to_netcdf, to_zarr):
        stack = packed(np.dtype("u1"))
        for name in OURS:
            stack[name] = stack[name].astype(np.uint8).copy(data=stack[name].values.view("i1"), deep=False)
            stack[name].attrs |= BYTES | ({"_FillValue": np.int8(-1)} if write is to_netcdf else {})
        found = fringefleet.open_stack(write(tmp_path / write.__name__, stack), chunks=None)
        for name, step in COARSE.items():
            inside = holed(np.nan)[name].values
            lowest, highest = PACKED[name][1] + step, PACKED[name][1] + 254 * step
            assert np.isnan(found[name].values[HOLE]).all()
            np.testing.assert_allclose(found[name], inside.clip(lowest, highest), atol=0.51 * step)


@pytest.mark.parametrize("kind", ["Zarr", "NetCDF", "MintPy"])
def test_a_zero_that_nobody_declared_is_data(kind, tmp_path):
    """Offsets of exactly 0 are observations; formats have 0 where nobody said what to fill with."""
    stack = checks.simulated()[["unwrapped_phase"]].copy(deep=True).rename(unwrapped_phase="range_offset")
    stack["range_offset"][:, :8, :8] = 0.0
    stack = stack.drop_attrs(deep=False)
    path = tmp_path / "stack"
    if kind == "Zarr":
        stack.to_zarr(path, zarr_format=3, consolidated=False)
        size = {"shape": stack.range_offset.shape, "chunks": (9, 8, 8), "dimension_names": ("pair", "y", "x")}
        array = zarr.create_array(path / "range_offset", dtype="f4", zarr_format=3, overwrite=True, **size)
        array[...] = stack.range_offset.values
        assert array.fill_value == 0
        assert not (path / "range_offset" / "c" / "0" / "0" / "0").exists()
    elif kind == "NetCDF":
        stack["range_offset"].encoding = {"_FillValue": None}
        path = to_netcdf(path, stack)
    else:
        path = path.with_suffix(".h5")
        with h5py.File(path, "w") as file:
            file["date"] = np.array(checks.text_dates(stack), "S")
            file.create_dataset("rangeOffset", data=stack.range_offset.values)
            file.attrs["NO_DATA_VALUE"] = "0"
    assert (fringefleet.open_stack(path, chunks=None).range_offset.values[HOLE] == 0).all()


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4"])
def test_components_of_whole_numbers_have_none_where_it_is_declared(dtype, tmp_path):
    fill = np.dtype(dtype).type(-32768 if dtype[0] == "i" else np.iinfo(dtype).max)
    stack = holed()
    component = stack.connected_component.values.astype(dtype)
    component[HOLE] = fill
    stack = stack.assign(connected_component=(("pair", "y", "x"), component))
    stack.connected_component.attrs["_FillValue"] = fill
    found = fringefleet.open_stack(to_netcdf(tmp_path / "stack", stack), chunks=None).connected_component
    assert found.dtype == dtype
    assert (found.values[HOLE] == 0).all()
    np.testing.assert_array_equal(found[:, 8:], component[:, 8:])
    checks.assert_travels(tmp_path / "stack.nc")


def test_every_window_of_what_is_decoded_is_read_alike(tmp_path):
    for make in (WAYS["NetCDF, 16 bits"], WAYS["Zarr v3, 16 bits"], WAYS["MintPy, _FillValue"]):
        path = make(tmp_path / "stack")
        whole = fringefleet.open_stack(path, chunks=None).unwrapped_phase.load()
        checks.assert_windows(path, whole)
        checks.assert_one_task_a_block(path)


def test_a_result_from_declared_no_data_is_that_from_nan(tmp_path):
    plain = to_zarr(tmp_path / "plain", holed(np.nan))
    for number, way in enumerate(
        ("Zarr v3, chunks never written", "MintPy, of the whole file", "NetCDF, made with it")
    ):
        path = WAYS[way](tmp_path / f"stack{number}")
        folder = tmp_path / f"results{number}"
        folder.mkdir()
        results = []
        for source in (path, plain):
            setting = Setting(reference_point=checks.POINT, wavelength=0.0555, looks=39)
            output = folder / f"{source.name}.zarr"
            fringefleet.run(Run(source, output, setting=setting, chunks=checks.TILE))
            results.append(xr.open_zarr(output, consolidated=False).load())
        for name in ("displacement", "temporal_coherence", "pair_count", "status"):
            np.testing.assert_array_equal(results[0][name], results[1][name])
        assert (results[0].status[:8, :8] == Status.NO_OBSERVATION).all()


def test_a_copy_of_a_packed_stack_declares_nothing_and_remembers_that_it_was_packed(tmp_path):
    path = to_netcdf(
        tmp_path / "stack", declare(packed(I2), _FillValue=np.int16(32767), valid_min=np.int16(-32767))
    )
    fringefleet.io.convert_stack(path, tmp_path / "copy.zarr")
    copy, source = (fringefleet.open_stack(p, chunks=None) for p in (tmp_path / "copy.zarr", path))
    np.testing.assert_array_equal(copy.unwrapped_phase, source.unwrapped_phase)
    assert copy.unwrapped_phase.attrs["stored_as"] == "int16"
