"""Whose constants are used: those of Sentinel-1 only where the product proves it, in every reader."""

import functools

import pytest

import fringefleet
from fringefleet.errors import MissingMetadataError, StackFormatError
from fringefleet.io.readers.radar import platform_name, stated_radar
from unit.io.readers import checks
from unit.io.readers.layouts import BURST, STACKS, copy_of, rename, replace, set_wavelength

MISSION = '<property name="mission"><value>{}</value></property><property name="passdirection">'
AFTER = '<property name="passdirection">'
PLATFORM = '<MDI key="PLATFORM">{}</MDI><MDI key="incidenceAngle">'
BEFORE = '<MDI key="incidenceAngle">'
L_BAND = 0.2424525


def alos_granules(root):
    """HyP3 has no such products; what they would say is in the names alone."""
    rename(root, "S1AA_", "ALOS2_")
    replace(root, "*_000?.txt", ("S1A_IW_SLC__1SDV", "ALOS2014410740-140829"))


def alos_bursts(root):
    rename(root, "S1_136231_IW2_", "ALOS2_136231_")
    replace(
        root, "*_000?.txt", ("S1_136231_IW2", "ALOS2_136231"), ("Speckle", f"Wavelength: {L_BAND}\nSpeckle")
    )


def alos_gunw(root):
    rename(root, "S1-GUNW", "ALOS2-GUNW")
    set_wavelength(root, L_BAND)


def only(name, text):
    return lambda root: next(root.rglob(name)).write_text(text)


def without(*patterns):
    def remove(root):
        for path in (path for pattern in patterns for path in root.rglob(pattern)):
            path.unlink()

    return remove


def both(*changes):
    def change(root):
        for one in changes:
            one(root)

    return change


def text(pattern, *changes):
    return functools.partial(_text, pattern=pattern, changes=changes)


def _text(root, pattern, changes):
    replace(root, pattern, *changes)


# What is changed, and what is known then: platform, wavelength [m], looks in range; None if not proven.
OTHERS = {
    "HyP3 GAMMA": {
        "of ALOS-2": (alos_granules, "Alos2", None, 20),
    },
    "HyP3 burst": {
        "of ALOS-2, with a wavelength": (alos_bursts, "Alos2", L_BAND, 20),
    },
    "LiCSAR": {
        "ALOS by its frequency": (only("metadata.txt", "radar_freq=1.27e9\n"), None, 0.236057, None),
        "besides the keys of LiCSAR": (
            text("metadata.txt", ("master", "radar_freq=1.27e9\nmaster")),
            None,
            0.236057,
            None,
        ),
        "NISAR by its name": (only("metadata.txt", "platform=NISAR\nheading=-12\n"), "Ni", None, None),
        "X band with a unit": (only("metadata.txt", "Radar Frequency=9.65 GHz\n"), None, 0.0310666, None),
        "a wavelength": (only("metadata.txt", "wavelength=0.2360571\n"), None, 0.2360571, None),
        "a colon": (only("metadata.txt", "heading=-12\nradar_freq: 1.27e9\n"), None, 0.236057, None),
        "pixels of another radar": (text("metadata.txt", ("2.329562", "4.29")), None, None, None),
        "a frequency that is none": (
            text("metadata.txt", ("master", "radar_freq=C\nmaster")),
            None,
            None,
            None,
        ),
        "a saved web page": (
            only("metadata.txt", "<html><a href='/a?b=c'>heading</a></html>\n"),
            None,
            None,
            None,
        ),
        "no metadata": (without("metadata.txt"), None, None, None),
        "Sentinel-1 by its frequency": (only("metadata.txt", "radar_freq=5.405e9\n"), "Sen", 0.0554658, None),
    },
    "dolphin": {
        "NISAR": (
            text("dolphin_config.yaml", ("0.05546576", "0.2384"), (BURST, "NISAR_L2_PR_GSLC_001.h5")),
            "Ni",
            0.2384,
            None,
        ),
        "another wavelength": (
            only("dolphin_config.yaml", "input_options: {wavelength: 0.031}"),
            None,
            0.031,
            None,
        ),
        "no wavelength but a burst": (
            text("dolphin_config.yaml", ("0.05546576", "")),
            "Sen",
            0.0554658,
            None,
        ),
        "no wavelength": (only("dolphin_config.yaml", "input_options:\n  wavelength:\n"), None, None, None),
        "no configuration": (without("dolphin_config.yaml"), None, None, None),
    },
    "ISCE2": {
        "TerraSAR-X": (
            text("IW*.xml", ("0.05546576", "0.0310666"), (AFTER, MISSION.format("TSX-1"))),
            "Tsx",
            0.0310666,
            15,
        ),
        "L band without a mission": (text("IW*.xml", ("0.05546576", str(L_BAND))), None, L_BAND, 15),
        "no metadata": (without("IW*.xml"), None, None, 15),
        "no looks either": (without("IW*.xml", "hgt.rdr.full*"), None, None, None),
    },
    "ARIA-tools": {
        "NISAR": (
            text("*Stack.vrt", (BEFORE, PLATFORM.format("NISAR")), ("0.05546576", "0.2384")),
            "Ni",
            0.2384,
            None,
        ),
        "ALOS-2": (
            text("*Stack.vrt", (BEFORE, PLATFORM.format("ALOS-2")), ("0.05546576", str(L_BAND))),
            "Alos2",
            L_BAND,
            None,
        ),
        "that in no list": (
            text("*Stack.vrt", (BEFORE, PLATFORM.format("Sputnik"))),
            "Sputnik",
            0.05546576,
            None,
        ),
        "by its wavelength": (text("*Stack.vrt", ("0.05546576", str(L_BAND))), None, L_BAND, None),
        "that states its looks": (
            text(
                "*Stack.vrt",
                (
                    BEFORE,
                    '<MDI key="rangeLooks">3</MDI><MDI key="azimuthLooks">8</MDI>' + PLATFORM.format("NISAR"),
                ),
                ("0.05546576", "0.2384"),
            ),
            "Ni",
            0.2384,
            3,
        ),
        "Sentinel-1 by its name": (
            text("*Stack.vrt", (BEFORE, PLATFORM.format("Sentinel-1"))),
            "Sen",
            0.05546576,
            19,
        ),
        "nothing that says so": (
            text("*Stack.vrt", ('key="Wavelength (m)"', 'key="Other"')),
            None,
            None,
            None,
        ),
    },
    "GUNW": {"ALOS-2": (alos_gunw, "Alos2", L_BAND, None)},
    "GMTSAR": {
        "ALOS": (
            text("*.PRM", ("0.0554658", "0.2360571"), ("SC_identity \t\t= 10", "SC_identity = 5")),
            "Alos",
            0.2360571,
            26,
        ),
        "COSMO-SkyMed": (
            text("*.PRM", ("0.0554658", "0.0312"), ("SC_identity \t\t= 10", "SC_identity = 8")),
            "Csk",
            0.0312,
            26,
        ),
        "no identity": (text("*.PRM", ("SC_identity \t\t= 10\n", "")), None, 0.0554658, 26),
        "no parameters": (without("*.PRM"), None, None, None),
    },
}
CASES = [(name, case) for name, cases in OTHERS.items() for case in cases]


def test_every_reader_has_a_second_platform():
    assert set(OTHERS) == set(STACKS)


@pytest.mark.parametrize("name", STACKS)
def test_sentinel1_is_known_where_it_is_proven(name, tmp_path):
    attrs = fringefleet.open_stack(copy_of(name, tmp_path), chunks=None).attrs
    assert attrs["PLATFORM"] == "Sen"
    assert attrs["wavelength"] == pytest.approx(0.0554658, abs=1e-6)
    assert attrs["ANTENNA_SIDE"] == -1


@pytest.mark.parametrize(("name", "case"), CASES)
def test_another_platform_gets_no_constants_of_sentinel1(name, case, tmp_path):
    root = copy_of(name, tmp_path)
    change, platform, wavelength, looks = OTHERS[name][case]
    change(root)
    stack = fringefleet.open_stack(root, chunks=None)
    attrs = stack.attrs
    assert attrs.get("PLATFORM") == platform
    assert attrs.get("RLOOKS") == looks
    assert attrs.get("wavelength") == (None if wavelength is None else pytest.approx(wavelength, rel=1e-5))
    if platform != "Sen":
        assert "beam_mode" not in attrs
        assert "NCORRLOOKS" not in attrs
    given = {"reference_point": checks.POINT}
    if wavelength is None:
        with pytest.raises(MissingMetadataError, match="wavelength = METRES"):
            fringefleet.invert(stack, weight_func="no", **given)
    if looks is None:
        with pytest.raises(MissingMetadataError, match="looks = N"):
            fringefleet.invert(stack, weight_func="var", wavelength=0.1, **given)
    fringefleet.invert(stack, weight_func="var", wavelength=0.1, looks=20, **given)


CONTRADICTIONS = {
    "HyP3 GAMMA": text("*_000?.txt", ("S1A_IW_SLC__1SDV", "ALOS2014410740-140829")),
    "HyP3 burst": text("*_000?.txt", ("Speckle", f"Wavelength: {L_BAND}\nSpeckle")),
    "LiCSAR": only("metadata.txt", "radar_freq=1.27e9\nwavelength=0.0554658\n"),
    "dolphin": text("dolphin_config.yaml", ("0.05546576", "0.2384")),
    "ISCE2": text("IW1.xml", (AFTER, MISSION.format("ALOS2"))),
    "ARIA-tools": text("unwrapStack.vrt", (BEFORE, PLATFORM.format("NISAR"))),
    "GUNW": lambda root: set_wavelength(root, L_BAND),
    "GMTSAR": text("*20180118*.PRM", ("0.0554658", "0.2360571")),
}


@pytest.mark.parametrize("name", STACKS)
def test_a_product_that_contradicts_itself_is_refused_with_both_statements(name, tmp_path):
    root = copy_of(name, tmp_path)
    CONTRADICTIONS[name](root)
    with pytest.raises(StackFormatError, match=r"contradicts itself: .* and .* cannot be of one radar"):
        fringefleet.open_stack(root)


def test_pairs_of_two_radars_are_refused_and_one_that_does_not_say_leaves_it_open(tmp_path, caplog):
    root = copy_of("GMTSAR", tmp_path)
    folder = sorted((root / "intf_all").iterdir())[3]
    replace(folder, "*.PRM", ("0.0554658", "0.2360571"), ("= 10", "= 5"))
    with pytest.raises(StackFormatError, match=f"{folder.name} has PLATFORM = 'Alos', but .* has 'Sen'"):
        fringefleet.open_stack(root)
    hyp3 = copy_of("HyP3 GAMMA", tmp_path / "hyp3")
    sorted(hyp3.rglob("S1*_0003.txt"))[0].unlink()
    assert "looks" not in fringefleet.open_stack(hyp3).attrs
    assert "without ALOOKS, RLOOKS, RANGE_PIXEL_SIZE, AZIMUTH_PIXEL_SIZE: 1 of 9 pairs do not" in caplog.text


@pytest.mark.parametrize("place", ["008A_10021_131313", "008A_10021_131313/GEOC", "somewhere"])
def test_the_name_of_a_frame_proves_what_a_missing_file_cannot(tmp_path, place):
    root = copy_of("LiCSAR", tmp_path).rename(tmp_path / place.split("/")[0])
    without("metadata.txt")(root)
    assert ("wavelength" in fringefleet.open_stack(tmp_path / place).attrs) == place.startswith("008A")
    (root / "GEOC" / "metadata.txt").write_text("radar_freq=1.27e9")
    found = fringefleet.open_stack(tmp_path / place).attrs
    assert found["wavelength"] == pytest.approx(0.236057, rel=1e-5)
    assert "PLATFORM" not in found


def test_the_ratio_of_sentinel1_is_said_where_it_is_used_for_another_platform(tmp_path, caplog):
    root = copy_of("GMTSAR", tmp_path)
    OTHERS["GMTSAR"]["ALOS"][0](root)
    fringefleet.invert(fringefleet.open_stack(root), reference_point=checks.POINT)
    assert "54 independent looks follow MintPy's rule" in caplog.text
    assert "for a stack of Alos; give --looks N" in caplog.text
    caplog.clear()
    fringefleet.invert(fringefleet.open_stack(root), reference_point=checks.POINT, looks=9)
    assert "MintPy's rule" not in caplog.text


def test_the_mode_of_the_granules_decides_the_pixels(tmp_path):
    root = copy_of("HyP3 GAMMA", tmp_path)
    replace(root, "*_000?.txt", ("S1A_IW_SLC", "S1A_S3_SLC"))
    attrs = fringefleet.open_stack(root).attrs
    assert (attrs["PLATFORM"], attrs["beam_mode"]) == ("Sen", "S3")
    assert "RANGE_PIXEL_SIZE" not in attrs


NAMES = {
    "Sen": ["S1", "s1a", "Sen", "SENTINEL-1", "Sentinel-1C", "sentinel_1", "S1B_IW_SLC__1SDV_2018"],
    "Alos": ["ALOS", "alos-1", "PALSAR", "ALPSRP123456789", "ALPSRP_1"],
    "Alos2": ["ALOS2", "ALOS-2", "palsar-2", "ALOS2014410740-140829"],
    "Ni": ["NISAR", "NISAR_L2_PR_GSLC_001"],
    "Tsx": ["TSX", "TerraSAR-X", "TDX-1", "TanDEM-X", "PAZ"],
    "Csk": ["CSK", "COSMO-SkyMed", "CSKS4", "CSG-1"],
    "Ers": ["ERS1", "ERS-2"],
    "Env": ["ENVISAT", "asar"],
    "Rs2": ["RADARSAT-2"],
    "Sputnik 3": ["Sputnik 3"],
    "S1A_OPER_SAR_EOSSP__CORE_L1A": ["S1A_OPER_SAR_EOSSP__CORE_L1A"],  # of SAOCOM-1A
}


@pytest.mark.parametrize(("name", "said"), [(name, said) for name, words in NAMES.items() for said in words])
def test_a_platform_is_known_by_each_of_its_names(name, said):
    assert platform_name(said) == name


@pytest.mark.parametrize("said", ["1.27e9", "1270 MHz", "1.27 GHz", "1.27E+09Hz"])
def test_a_frequency_has_its_unit(said):
    assert stated_radar({"radar_freq": said}, "a.txt").wavelength == pytest.approx(0.2360571, rel=1e-6)


@pytest.mark.parametrize("said", ["C", "-1e9", "0", "1.27", "inf", "1.27 furlongs", "1e9 1e9", "--", "1e999"])
def test_what_is_no_frequency_of_a_radar_is_left_out(said, caplog):
    radar = stated_radar({"radar_freq": said}, "a.txt")
    assert (radar.wavelength, radar.is_clear, radar.is_sentinel1) == (None, False, False)
    assert "a.txt has radar_freq" in caplog.text
