"""Merged interferograms of ISCE2's topsStack."""

import os
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

import fringefleet
from fringefleet.errors import StackFormatError
from fringefleet.io.stack import file_format
from fringefleet.simulate.config import WAVELENGTH
from unit.io.readers import checks

DATES = checks.text_dates(checks.simulated())
FIRST = "_".join(DATES[0])
BURST = """\
<productmanager_name>
  <component name="instance">
    <component name="bursts">
      <component name="burst1">
        <property name="azimuthtimeinterval"><value>0.002055556299999998</value></property>
        <property name="burststartutc"><value>2018-01-06 00:41:32.118453</value></property>
        <component name="orbit">
          <component name="state_vectors">
            <component name="statevector1">
              <property name="position"><value>[0.0, 0.0, 1.0]</value></property>
              <property name="time"><value>2018-01-06 00:41:22.000000</value></property>
              <property name="velocity"><value>[1.0, 0.0, 0.0]</value></property>
            </component>
            <component name="statevector2">
              <property name="position"><value>[7071137.0, 0.0, 0.0]</value></property>
              <property name="time"><value>2018-01-06 00:41:32.000000</value></property>
              <property name="velocity"><value>[0.0, -1500.0, 7400.0]</value></property>
            </component>
          </component>
        </component>
        <property name="passdirection"><value>Ascending</value></property>
        <property name="polarization"><value>vv</value></property>
        <property name="pulserepetitionfrequency"><value>1717.128973878037</value></property>
        <property name="radarwavelength"><value>0.05546576</value></property>
        <property name="rangepixelsize"><value>2.329562114715323</value></property>
        <property name="startingrange"><value>799002.2677</value></property>
        <property name="tracknumber"><value>78</value></property>
      </component>
      <component name="burst2">
        <property name="radarwavelength"><value>9.0</value></property>
      </component>
    </component>
  </component>
</productmanager_name>
"""


def write_image(path, *bands, header="vrt"):
    """Write a raw image with ISCE's header by GDAL's own driver, and the VRT that ISCE renders."""
    rows, columns = bands[0].shape
    dtype = bands[0].dtype.name
    profile = {"driver": "ISCE", "height": rows, "width": columns, "count": len(bands), "dtype": dtype}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # radar geometry
        with rasterio.open(path, "w", SCHEME="BIL", **profile) as raster:
            for number, band in enumerate(bands, start=1):
                raster.write(band, number)
    size = bands[0].itemsize
    rendered = "".join(
        f'<VRTRasterBand band="{number + 1}" dataType="{"Byte" if size == 1 else "Float32"}" '
        f'subClass="VRTRawRasterBand"><SourceFilename relativeToVRT="1">{path.name}</SourceFilename>'
        f"<ByteOrder>LSB</ByteOrder><ImageOffset>{number * columns * size}</ImageOffset>"
        f"<PixelOffset>{size}</PixelOffset><LineOffset>{len(bands) * columns * size}</LineOffset>"
        "</VRTRasterBand>"
        for number in range(len(bands))
    )
    if header == "vrt":
        text = f'<VRTDataset rasterXSize="{columns}" rasterYSize="{rows}">{rendered}</VRTDataset>'
        path.with_name(path.name + ".vrt").write_text(text)


def write_pair(folder, index, header="vrt"):
    stack = checks.simulated().isel(pair=index)
    folder.mkdir(parents=True)
    phase = stack.unwrapped_phase.fillna(0).values
    write_image(folder / "filt_fine.unw", np.ones_like(phase), phase, header=header)
    write_image(folder / "filt_fine.cor", stack.coherence.values, header=header)
    component = stack.connected_component.values.astype("u1")
    write_image(folder / "filt_fine.unw.conncomp", component, header=header)


def write_work(root, header="vrt"):
    """A work directory as ``stackSentinel.py`` leaves it."""
    for index, dates in enumerate(DATES):
        write_pair(root / "merged" / "interferograms" / "_".join(dates), index, header)
    (root / "reference").mkdir()
    (root / "reference" / "IW1.xml").write_text(BURST)
    (root / "reference" / "IW2.xml").write_text(BURST.replace("799002.2677", "850000.0"))
    geometry = root / "merged" / "geom_reference"
    geometry.mkdir()
    write_image(geometry / "hgt.rdr", np.zeros((20, 24), "f4"))
    write_image(geometry / "hgt.rdr.full", np.zeros((20 * 5 + 3, 24 * 15 + 7), "f4"))
    for date, baseline in zip(sorted({d for pair in DATES for d in pair})[1:], BASELINES[1:], strict=True):
        write_baseline(root, f"20180106_{date}", baseline)
    write_baseline(root, "20180118_20180130", 999.0)  # of another run
    return root


def write_baseline(root, name, baseline):
    folder = root / "baselines" / name
    folder.mkdir(parents=True)
    lines = [f"swath: IW{k}\nBperp (average): {baseline + 2 * k - 3}\nBpar (average): 5.0\n" for k in (1, 2)]
    (folder / f"{name}.txt").write_text("".join(lines))


BASELINES = [0.0, 60.0, -20.0, 35.5, 80.25, -12.0]


@pytest.fixture
def work(tmp_path):
    return write_work(tmp_path / "work")


def interferograms(work):
    return work / "merged" / "interferograms"


@pytest.mark.parametrize("part", ["", "merged", "merged/interferograms"])
@pytest.mark.parametrize("header", ["vrt", "xml"])
def test_what_was_written_comes_out(tmp_path, header, part):
    work = write_work(tmp_path / "work", header)
    stack, expected = fringefleet.open_stack(work / part, chunks=None), checks.simulated()
    checks.assert_lazy(stack)
    assert file_format(stack) == "ISCE2 topsStack"
    for name in ("unwrapped_phase", "coherence", "connected_component"):
        np.testing.assert_array_equal(stack[name], expected[name])
    np.testing.assert_array_equal(stack.reference_date, expected.reference_date)
    np.testing.assert_array_equal(stack.secondary_date, expected.secondary_date)
    assert stack.y.attrs["units"] == "1"
    assert "spatial_ref" not in stack.coords


def test_the_baseline_of_a_pair_is_that_of_its_second_date_minus_that_of_its_first(work):
    stack = fringefleet.open_stack(work, chunks=None)
    dates = sorted({date for pair in DATES for date in pair})
    of_date = dict(zip(dates, BASELINES, strict=True))
    np.testing.assert_allclose(stack.perpendicular_baseline, [of_date[b] - of_date[a] for a, b in DATES])


def test_attributes_are_those_of_the_first_swath_by_mintpys_names(work):
    attrs = fringefleet.open_stack(work, chunks=None).attrs
    assert attrs["wavelength"] == attrs["WAVELENGTH"] == WAVELENGTH
    assert (attrs["ALOOKS"], attrs["RLOOKS"]) == (5, 15)
    assert attrs["looks"] == round(5 * 15 / 1.94)
    assert attrs["RANGE_PIXEL_SIZE"] == pytest.approx(15 * 2.329562114715323)
    assert attrs["STARTING_RANGE"] == 799002.2677
    assert (attrs["ORBIT_DIRECTION"], attrs["PROCESSOR"]) == ("ASCENDING", "isce")
    assert (attrs["LENGTH"], attrs["WIDTH"]) == (20, 24)
    # of the state vector in the middle, which is over the equator
    assert attrs["HEIGHT"] == pytest.approx(7071137.0 - 6378137.0)
    assert attrs["HEADING"] == pytest.approx(np.degrees(np.arctan2(-1500, 7400)))
    assert attrs["AZIMUTH_PIXEL_SIZE"] == pytest.approx(5 * np.hypot(1500, 7400) * 0.0020555563)
    meridian, vertical = 6378137 * (1 - 0.00669437999), 6378137
    north = np.cos(np.radians(attrs["HEADING"])) ** 2
    assert attrs["EARTH_RADIUS"] == pytest.approx(1 / (north / meridian + (1 - north) / vertical))


def test_without_metadata_the_images_are_there_all_the_same(work):
    for name in ("reference", "baselines", "merged/geom_reference"):
        shutil.rmtree(work / name)
    stack = fringefleet.open_stack(work, chunks=None)
    assert "wavelength" not in stack.attrs
    assert "perpendicular_baseline" not in stack.coords
    assert stack.sizes["pair"] == len(DATES)


def test_every_window_is_read_alike_and_an_array_travels(work):
    checks.assert_windows(work, checks.simulated().unwrapped_phase)
    checks.assert_windows(work, checks.simulated().connected_component)
    checks.assert_travels(work)
    checks.assert_one_task_a_block(work)


def test_a_run_gives_the_same_as_from_a_stack_of_ours(work, tmp_path):
    checks.assert_inverts_alike(work, tmp_path)


def test_threads_read_at_the_same_time_without_a_word(work):
    phase = fringefleet.open_stack(work, chunks=None).unwrapped_phase
    expected = checks.simulated().unwrapped_phase
    with ThreadPoolExecutor(8) as pool:
        for part in pool.map(lambda row: phase.isel(y=row % 20).values, range(200)):
            assert part.shape == (9, 24)
        found = list(pool.map(lambda row: phase.isel(y=row).values, range(20)))
    np.testing.assert_array_equal(np.stack(found, axis=1), expected)


def test_correlation_in_the_second_of_two_bands_is_taken(work):
    path = interferograms(work) / FIRST / "filt_fine.cor"
    coherence = checks.simulated().coherence.values[0]
    write_image(path, np.full_like(coherence, 7), coherence)
    np.testing.assert_array_equal(fringefleet.open_stack(work).coherence[0], coherence)


def rewrite_smaller(work):
    folder = interferograms(work) / FIRST
    write_image(folder / "filt_fine.cor", np.ones((20, 23), "f4"))


def truncate(work):
    path = interferograms(work) / FIRST / "filt_fine.unw"
    os.truncate(path, path.stat().st_size - 8)


BAD = {
    "an odd grid": (rewrite_smaller, rf"{FIRST}/filt_fine.cor.* are 20 x 23 pixels .*most others 20 x 24"),
    "a truncated image": (truncate, rf"found 3832 bytes in .*{FIRST}/filt_fine.unw, .* take 3840"),
    "no coherence of one pair": (
        lambda work: (
            (interferograms(work) / FIRST / "filt_fine.cor.vrt").unlink()
            or (interferograms(work) / FIRST / "filt_fine.cor.xml").unlink()
        ),
        rf"no coherence for 1 of 9 pairs: {FIRST}",
    ),
    "a pair that was not unwrapped": (
        lambda work: (interferograms(work) / "20190101_20190113").mkdir(),
        "no filt_fine.unw .* in 1 folders of pairs: 20190101_20190113",
    ),
    "an image without its numbers": (
        lambda work: (interferograms(work) / FIRST / "filt_fine.unw").unlink(),
        rf"{FIRST}/filt_fine.unw.* cannot be read",
    ),
    "a phase of one band": (
        lambda work: write_image(interferograms(work) / FIRST / "filt_fine.unw", np.ones((20, 24), "f4")),
        rf"1 band\(s\) of float32 in .*{FIRST}/filt_fine.unw.vrt; band 2",
    ),
    "a header that is none": (
        lambda work: (interferograms(work) / FIRST / "filt_fine.unw.vrt").write_text("<VRT"),
        rf"{FIRST}/filt_fine.unw.vrt cannot be read",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BAD.values(), ids=list(BAD))
def test_what_is_wrong_is_said_at_once_and_of_which_file(work, spoil, message):
    spoil(work)
    with pytest.raises(StackFormatError, match=message):
        fringefleet.open_stack(work)


def test_without_any_coherence_pairs_weigh_alike(work):
    for path in interferograms(work).glob("*/filt_fine.cor.*"):
        path.unlink()
    stack = fringefleet.open_stack(work)
    with pytest.raises(StackFormatError, match="no coherence in the stack"):
        fringefleet.invert(stack, reference_point=checks.POINT, looks=39)
    result = fringefleet.invert(stack, weight_func="no", reference_point=checks.POINT)
    expected = fringefleet.invert(checks.simulated(), weight_func="no")
    np.testing.assert_array_equal(result.displacement, expected.displacement)


def test_nothing_is_fetched_from_a_network(work):
    asked = []

    class Refuse(BaseHTTPRequestHandler):
        def handle(self):
            asked.append(self.client_address)

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        header = next(iter(sorted(work.glob("merged/interferograms/*/filt_fine.unw.vrt"))))
        source = f"/vsicurl/http://127.0.0.1:{server.server_port}/image.tif"
        header.write_text(
            '<VRTDataset rasterXSize="24" rasterYSize="20">'
            + "".join(
                f'<VRTRasterBand dataType="Float32" band="{band}"><SimpleSource><SourceFilename>{source}'
                "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
                for band in (1, 2)
            )
            + "</VRTDataset>"
        )
        try:
            with pytest.raises(StackFormatError, match=r"filt_fine.unw.vrt"):
                fringefleet.open_stack(work, chunks=None).unwrapped_phase.load()
        finally:
            server.shutdown()
            thread.join()
    assert asked == []
