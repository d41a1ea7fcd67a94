import shutil

import numpy as np
import pytest

import fringefleet
from fringefleet.errors import MissingMetadataError, StackFormatError
from unit.io.readers import checks, geotiffs


@pytest.fixture
def root(tmp_path):
    return geotiffs.licsar(tmp_path / "frame", checks.simulated())


def test_attributes_come_from_the_frame(root):
    attrs = fringefleet.open_stack(root).attrs
    assert attrs["HEADING"] == pytest.approx(-13.775063)
    assert attrs["ORBIT_DIRECTION"] == "ASCENDING"
    assert attrs["CENTER_INCIDENCE_ANGLE"] == 39.1918
    assert attrs["CENTER_LINE_UTC"] == pytest.approx(23 * 60 + 6.57195)
    assert attrs["wavelength"] == pytest.approx(0.0554657, abs=1e-7)
    assert (attrs["EPSG"], attrs["Y_UNIT"], attrs["X_FIRST"]) == (4326, "degrees", -99.6)


def test_coordinates_are_degrees(root):
    stack = fringefleet.open_stack(root)
    assert stack.y.attrs["units"] == "degrees_north"
    assert stack.y.values[0] == pytest.approx(19.7995)


def test_baselines_of_pairs_are_differences_of_those_of_dates(root):
    found = fringefleet.open_stack(root).perpendicular_baseline
    np.testing.assert_allclose(found, checks.simulated().perpendicular_baseline, atol=1e-3)


def test_a_date_without_baseline_leaves_its_pairs_without(root):
    lines = (root / "baselines").read_text().splitlines()
    (root / "baselines").write_text("\n".join(lines[:-1]))
    found = fringefleet.open_stack(root).perpendicular_baseline.values
    assert np.isnan(found).sum() == 2


def test_the_metadata_may_lie_in_the_folder_of_the_frame_or_be_absent(root):
    (root.parent / "metadata").mkdir()
    for name in ("metadata.txt", "baselines"):
        shutil.move(root / name, root.parent / "metadata")
    stack = fringefleet.open_stack(root.parent)
    assert stack.attrs["CENTER_INCIDENCE_ANGLE"] == 39.1918
    assert "perpendicular_baseline" in stack.coords
    shutil.rmtree(root.parent / "metadata")
    stack = fringefleet.open_stack(root)
    assert "perpendicular_baseline" not in stack.coords
    assert "HEADING" not in stack.attrs
    assert "wavelength" not in stack.attrs


def test_a_coherence_of_bytes_is_a_fraction(root):
    coherence = fringefleet.open_stack(root).coherence.values
    np.testing.assert_allclose(coherence, checks.simulated().coherence, atol=0.5 / 255 + 1e-6)


def test_the_looks_have_to_be_given(root):
    stack = fringefleet.open_stack(root)
    with pytest.raises(MissingMetadataError, match="--looks N"):
        fringefleet.invert(stack, weight_func="var", reference_point=checks.POINT)


class TestWhatIsWrong:
    def test_a_pair_without_phase(self, root):
        name = sorted(root.glob("2018*"))[3].name
        (root / name / f"{name}.geo.unw.tif").unlink()
        with pytest.raises(StackFormatError, match=rf"no \.geo\.unw\.tif in 1 folders of pairs: {name}"):
            fringefleet.open_stack(root)
