"""Stacks of ARIA-tools: VRTs over ENVI files, with the later date first and the sign that goes with it."""

import os

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio import Affine

import fringefleet
from fringefleet.errors import StackFormatError
from fringefleet.io.stack import file_format
from unit.io.readers import checks

DATES = checks.text_dates(checks.simulated())
NAMES = [f"{second}_{first}" for first, second in DATES]  # ARIA: the later one first
BASELINE = -checks.simulated().perpendicular_baseline.values  # so is its sign
AT = Affine(0.000833333333333, 0, -99.6, 0, -0.000833333333333, 19.8)
FILES = {
    "unwrappedPhase": ("unwrapStack", "unwrappedPhase", "float32", 0.0),
    "coherence": ("cohStack", "Coherence", "float32", 0.0),
    "connectedComponents": ("connCompStack", "connectedComponents", "int16", -1),
}


def turned():
    """The scene as ARIA has it: every pair the other way round, sorted by the later date."""
    stack = checks.simulated()
    dates = {"reference_date": stack.secondary_date, "secondary_date": stack.reference_date}
    stack = stack.assign_coords({name: ("pair", values.values) for name, values in dates.items()})
    stack = stack.assign_coords(perpendicular_baseline=-stack.perpendicular_baseline)
    stack = stack.assign(unwrapped_phase=-stack.unwrapped_phase)
    order = np.lexsort((stack.secondary_date.values, stack.reference_date.values))
    return stack.isel(pair=order)


def images(index):
    stack = checks.simulated().isel(pair=index)
    missing = np.isnan(stack.unwrapped_phase.values)
    return {
        "unwrappedPhase": np.where(missing, 0, -stack.unwrapped_phase.values).astype("f4"),
        "coherence": stack.coherence.values,
        "connectedComponents": np.where(
            stack.connected_component.values == 0, -1, stack.connected_component
        ).astype("i2"),
    }


def write_file(path, values, nodata, at=AT):
    """An ENVI file and its VRT, as ``ariaExtract.py -of ENVI`` leaves them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "height": values.shape[0],
        "width": values.shape[1],
        "count": 1,
        "crs": "EPSG:4326",
        "transform": at,
    }
    with rasterio.open(path, "w", driver="ENVI", dtype=values.dtype.name, **profile) as raster:
        raster.write(values, 1)
        raster.nodata = nodata
    rasterio.shutil.copy(path, f"{path}.vrt", driver="VRT")


def band(number, name, kind, baseline, path):
    """A band as ``tsSetup.generate_stack`` writes it."""
    _, domain, dtype, _ = FILES[kind]
    return f"""  <VRTRasterBand dataType="{dtype.capitalize()}" band="{number}">
        <SimpleSource>
            <SourceFilename relativeToVRT="1">{path}</SourceFilename>
            <SourceBand>1</SourceBand>
            <SourceProperties RasterXSize="24" RasterYSize="20" DataType="{dtype.capitalize()}"/>
            <SrcRect xOff="0" yOff="0" xSize="24" ySize="20"/>
            <DstRect xOff="0" yOff="0" xSize="24" ySize="20"/>
        </SimpleSource>
        <Metadata domain='{domain}'>
            <MDI key="Dates">{name}</MDI>
            <MDI key="Wavelength (m)">0.05546576</MDI>
            <MDI key="UTCTime (HH:MM:SS.ss)">00:41:32.500000</MDI>
            <MDI key="perpendicularBaseline">{baseline}</MDI>
            <MDI key="incidenceAngle">39.25</MDI>
            <MDI key="lookAngle">34.5</MDI>
            <MDI key="azimuthAngle">-258.25</MDI>
            <MDI key="startRange">799002.2677</MDI>
            <MDI key="endRange">952000.5</MDI>
            <MDI key="slantRangeSpacing">2.329562114715323</MDI>
            <MDI key="orbitDirection">DESCENDING</MDI>
        </Metadata>
    </VRTRasterBand>
"""


def write_stack_file(root, kind, order, change=lambda text: text):
    """``stack/unwrapStack.vrt`` and so on; the order of the bands is free."""
    (root / "stack").mkdir(exist_ok=True)
    bands = "".join(
        band(number, NAMES[index], kind, BASELINE[index], root / kind / f"{NAMES[index]}.vrt")
        for number, index in enumerate(order, start=1)
    )
    place = f"<SRS>EPSG:4326</SRS><GeoTransform>{','.join(map(str, AT.to_gdal()))}</GeoTransform>"
    text = f'<VRTDataset rasterXSize="24" rasterYSize="20">{place}\n{bands}</VRTDataset>'
    (root / "stack" / f"{FILES[kind][0]}.vrt").write_text(change(text))


def write_work(root, *, stack=True):
    for index, name in enumerate(NAMES):
        for kind, values in images(index).items():
            write_file(root / kind / name, values, FILES[kind][3])
    if stack:
        write_stack_file(root, "unwrappedPhase", range(9))
        write_stack_file(root, "coherence", range(9))
        write_stack_file(root, "connectedComponents", range(8, -1, -1))  # matched by dates
    return root


@pytest.fixture
def root(tmp_path):
    return write_work(tmp_path / "aria")


@pytest.mark.parametrize("part", ["", "stack"])
def test_what_was_written_comes_out_with_its_dates_the_other_way_round(root, part):
    stack, expected = fringefleet.open_stack(root / part, chunks=None), turned()
    checks.assert_lazy(stack)
    assert file_format(stack) == "ARIA-tools VRT"
    for name in ("unwrapped_phase", "coherence", "connected_component"):
        np.testing.assert_array_equal(stack[name], expected[name])
    for name in ("reference_date", "secondary_date", "perpendicular_baseline"):
        np.testing.assert_array_equal(stack[name], expected[name])
    assert (stack.reference_date > stack.secondary_date).all()
    np.testing.assert_allclose(stack.y, 19.8 - 0.000833333333333 * (np.arange(20) + 0.5))
    assert stack.spatial_ref.attrs["grid_mapping_name"] == "latitude_longitude"


def test_attributes_are_those_of_mintpys_prep_aria(root):
    attrs = fringefleet.open_stack(root, chunks=None).attrs
    assert attrs["wavelength"] == attrs["WAVELENGTH"] == 0.05546576
    assert (attrs["ALOOKS"], attrs["RLOOKS"], attrs["looks"]) == (7, 19, 61)
    assert attrs["NCORRLOOKS"] == pytest.approx(133 / (3.1 / 2.3) / (22.7 / 14.1))
    assert attrs["RANGE_PIXEL_SIZE"] == pytest.approx(19 * 2.329562114715323)
    assert (attrs["STARTING_RANGE"], attrs["CENTER_INCIDENCE_ANGLE"]) == (799002.2677, 39.25)
    assert (attrs["ORBIT_DIRECTION"], attrs["HEADING"]) == ("DESCENDING", -168.0)
    assert attrs["CENTER_LINE_UTC"] == 41 * 60 + 32.5
    assert (attrs["X_FIRST"], attrs["Y_STEP"]) == (-99.6, -0.000833333333333)
    assert "Dates" not in attrs


def test_files_of_pairs_without_a_stack_are_taken_as_they_are(tmp_path):
    root = write_work(tmp_path / "aria", stack=False)
    stack = fringefleet.open_stack(root, chunks=None)
    np.testing.assert_array_equal(stack.unwrapped_phase, turned().unwrapped_phase)
    np.testing.assert_array_equal(stack.connected_component, turned().connected_component)
    assert "wavelength" not in stack.attrs
    assert "perpendicular_baseline" not in stack.coords


def test_a_band_that_is_no_whole_file_is_read_from_the_stack(root):
    part = '<SrcRect xOff="0" yOff="0" xSize="24" ySize="20"/>'
    shifted = '<SrcRect xOff="1" yOff="0" xSize="24" ySize="20"/>'
    write_stack_file(root, "coherence", range(9), lambda text: text.replace(part, shifted, 1))
    stack = fringefleet.open_stack(root, chunks=None)
    expected = turned().coherence.values
    first = stack.reference_date.dt.strftime("%Y%m%d").values.tolist().index(DATES[0][1])
    np.testing.assert_array_equal(stack.coherence.values[first][:, :-1], expected[first][:, 1:])
    np.testing.assert_array_equal(stack.coherence.values[first + 1 :], expected[first + 1 :])


def test_every_window_is_read_alike_and_an_array_travels(root):
    checks.assert_windows(root, turned().unwrapped_phase)
    checks.assert_windows(root, turned().connected_component)
    checks.assert_travels(root)
    checks.assert_one_task_a_block(root)


def test_a_run_gives_the_same_as_from_a_stack_of_ours(root, tmp_path):
    checks.assert_inverts_alike(root, tmp_path, turned())


def test_motion_has_the_sign_that_it_has_with_the_earlier_date_first(root):
    found = fringefleet.invert(fringefleet.open_stack(root), weight_func="no", reference_point=checks.POINT)
    expected = fringefleet.invert(checks.simulated(), weight_func="no")
    np.testing.assert_allclose(found.displacement, expected.displacement, atol=1e-6)


def test_another_file_of_a_pair_has_other_task_names(root):
    def task_name():
        return fringefleet.open_stack(root).unwrapped_phase.data.name

    before = task_name()
    assert task_name() == before
    os.utime(root / "unwrappedPhase" / NAMES[3], ns=(1, 1))  # the numbers behind the VRT
    assert task_name() != before


def truncate(path):
    os.truncate(path, path.stat().st_size - 4)


BAD = {
    "an odd grid": (
        lambda root: write_file(
            root / "coherence" / NAMES[2], np.ones((20, 24), "f4"), 0, AT @ Affine.translation(0.5, 0)
        ),
        rf"pixels of .*coherence/{NAMES[2]}.vrt are .*those of most others",
    ),
    "a truncated file": (
        lambda root: truncate(root / "unwrappedPhase" / NAMES[4]),
        rf"found 1916 bytes in .*unwrappedPhase/{NAMES[4]}, where .*take 1920",
    ),
    "a file that is gone": (
        lambda root: (root / "coherence" / f"{NAMES[1]}.vrt").unlink(),
        rf"coherence/{NAMES[1]}.vrt.* cannot be read",
    ),
    "a band that a stack lacks": (
        lambda root: write_stack_file(root, "coherence", range(8)),
        rf"no coherence for 1 of 9 pairs: {NAMES[8]}",
    ),
    "a band without dates": (
        lambda root: write_stack_file(
            root, "unwrappedPhase", range(9), lambda text: text.replace('key="Dates"', 'key="Date"', 1)
        ),
        "no metadata 'Dates' of band 1 of .*unwrapStack.vrt",
    ),
    "dates that are none": (
        lambda root: write_stack_file(
            root,
            "unwrappedPhase",
            range(9),
            lambda text: text.replace(f'"Dates">{NAMES[0]}', '"Dates">2018_2017'),
        ),
        "found the dates '2018_2017' in .*unwrapStack.vrt",
    ),
    "pairs of another wavelength": (
        lambda root: write_stack_file(
            root, "unwrappedPhase", range(9), lambda text: text.replace("0.05546576", "0.24", 1)
        ),
        "has WAVELENGTH = ",
    ),
    "a stack that is no XML": (
        lambda root: (root / "stack" / "unwrapStack.vrt").write_text("<VRT"),
        "unwrapStack.vrt cannot be read",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BAD.values(), ids=list(BAD))
def test_what_is_wrong_is_said_at_once_and_of_which_file(root, spoil, message):
    spoil(root)
    with pytest.raises(StackFormatError, match=message):
        fringefleet.open_stack(root)
