import numpy as np
import pytest
import rasterio

import fringefleet
from fringefleet.errors import MissingMetadataError
from unit.io.readers import checks, geotiffs


@pytest.fixture
def work(tmp_path):
    return geotiffs.dolphin(tmp_path / "dolphin", checks.simulated())


def test_the_folder_unwrapped_is_as_good_as_the_work_directory(work):
    whole, part = (fringefleet.open_stack(path) for path in (work, work / "unwrapped"))
    assert whole.drop_attrs().identical(part.drop_attrs())
    assert set(whole.data_vars) == {"unwrapped_phase", "coherence", "connected_component"}


def test_the_correlation_may_lie_deeper_or_beside_the_phase(work):
    expected = checks.simulated().coherence
    (work / "interferograms").rename(work / "other")
    (work / "interferograms").mkdir()
    (work / "other").rename(work / "interferograms" / "stitched")
    np.testing.assert_array_equal(fringefleet.open_stack(work).coherence, expected)
    for file in (work / "interferograms" / "stitched").iterdir():
        file.rename(work / "unwrapped" / file.name)
    np.testing.assert_array_equal(fringefleet.open_stack(work).coherence, expected)


def test_a_component_without_data_is_outside_of_all(work):
    found = fringefleet.open_stack(work).connected_component.values
    expected = checks.simulated().connected_component.values.copy()
    expected[:, -1, -1] = 0
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.uint16


def test_the_wavelength_has_to_be_given(work):
    stack = fringefleet.open_stack(work)
    with pytest.raises(MissingMetadataError, match="wavelength = METRES"):
        fringefleet.invert(stack, weight_func="no", reference_point=checks.POINT)


def test_images_in_radar_geometry_have_rows_and_columns(tmp_path):
    place = {"crs": None, "transform": rasterio.Affine.identity()}
    for first, second in (("20180106", "20180118"), ("20180118", "20180130")):
        name = f"{first}_{second}.unw.tif"
        with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
            geotiffs.write(tmp_path / "unwrapped" / name, np.ones((4, 5), np.float32), place)
    stack = fringefleet.open_stack(tmp_path)
    assert stack.x.values.tolist() == [0, 1, 2, 3, 4]
    assert "spatial_ref" not in stack.coords
    assert float(stack.unwrapped_phase.mean()) == 1
