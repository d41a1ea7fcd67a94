"""Parts that an inversion does not need stop no stack: left out and said once, in every reader."""

import logging

import h5py
import numpy as np
import pytest

import fringefleet
from fringefleet.errors import StackFormatError
from fringefleet.io.checks.left_out import leave_out, optional, reported_once
from unit.io.readers import checks
from unit.io.readers.layouts import STACKS, copy_of, replace

PAGE = "<!DOCTYPE html><html>\n<a href='/x?a=b&c=d'>404</a>\n</html>\n"
NONSENSE = {"a web page": PAGE.encode(), "nothing": b"", "bytes": bytes(range(256)) * 20}


def write(pattern, content):
    def change(root):
        files = sorted(root.rglob(pattern))
        assert files
        for file in files:
            file.write_bytes(content)

    return change


def remove(pattern):
    def change(root):
        files = sorted(root.rglob(pattern))
        assert files
        for file in files:
            file.unlink()

    return change


def text(pattern, old, new):
    return lambda root: replace(root, pattern, (old, new))


def odd_number(name, value):
    """Replace a number of all products by something else."""

    def change(root):
        for path in root.glob("*.nc"):
            with h5py.File(path, "r+") as file:
                del file[name]
                if value is not None:
                    file[name] = value

    return change


RADAR, GEOMETRY = "science/radarMetaData", "science/grids/imagingGeometry"
TEXTS = {  # files besides the images
    "HyP3 GAMMA": ["*_000?.txt"],
    "HyP3 burst": ["*_000?.txt"],
    "LiCSAR": ["metadata.txt", "baselines"],
    "dolphin": ["dolphin_config.yaml"],
    "ISCE2": ["IW1.xml", "2*_2*.txt", "hgt.rdr.full.xml"],
    "ARIA-tools": [],
    "GUNW": [],
    "GMTSAR": ["*.PRM", "baseline_table.dat", "config.S1_TOPS.txt"],
}
VALUES = {
    "HyP3 GAMMA": {
        "no heading": text("*_000?.txt", "Heading: -13.0235756\n", ""),
        "a heading that is a word": text("*_000?.txt", "Heading: -13.0235756", "Heading: north"),
        "a heading that is NaN": text("*_000?.txt", "Heading: -13.0235756", "Heading: nan"),
        "no time": text("*_000?.txt", "UTC time: 8571.989128\n", ""),
        "a time of the clock": text("*_000?.txt", "8571.989128", "02:22:51"),
        "no baseline": text("*_000?.txt", "Baseline", "Line"),
        "no height": text("*_000?.txt", "Spacecraft height: 699974.5329\n", ""),
        "a radius of 0": text("*_000?.txt", "6371383.6099", "0"),
        "no range": text("*_000?.txt", "Slant range", "Range of slant"),
        "looks of 0": text("*_000?.txt", "Range looks: 20", "Range looks: 0"),
    },
    "HyP3 burst": {"no heading": text("*_000?.txt", "Heading: 192.5\n", "")},
    "LiCSAR": {
        "a heading that is a word": text("metadata.txt", "-13.775063", "west"),
        "an angle that is none": text("metadata.txt", "39.1918", "?"),
        "a time that is none": text("metadata.txt", "0:23:06.571950", "noon"),
        "baselines in words": write("baselines", b"20180106 20180118 far 12\n20180106\n\n"),
    },
    "dolphin": {
        "a wavelength in words": text("dolphin_config.yaml", "0.05546576", "C band"),
        "options of another kind": write("dolphin_config.yaml", b"input_options: [1, 2]\n"),
        "a list": write("dolphin_config.yaml", b"- 1\n- 2\n"),
        "an object": write("dolphin_config.yaml", b"!!python/object/apply:os.system [exit 3]\n"),
    },
    "ISCE2": {
        "a wavelength in words": text("IW1.xml", "0.05546576", "C band"),
        "a state vector of two numbers": text("IW1.xml", "[7071137.0, ", "["),
        "a range in words": text("IW1.xml", "799002.2677", "near"),
        "an interval in words": text("IW1.xml", "0.002055556299999998", "short"),
        "a baseline without a number": write("20180106_20180118.txt", b"swath: IW1\n"),
        "a geometry of no width": text("hgt.rdr.xml", "<value>24</value>", "<value>0</value>"),
    },
    "ARIA-tools": {
        "a wavelength in words": text("unwrapStack.vrt", "0.05546576", "C"),
        "a time that is none": text("unwrapStack.vrt", "00:41:32.500000", "noon"),
        "a range in words": text("unwrapStack.vrt", "799002.2677", "near"),
        "a baseline in words": text("unwrapStack.vrt", 'Baseline">', 'Baseline">m'),
        "an angle in words": text("unwrapStack.vrt", "39.25", "steep"),
        "a direction that is none": text("unwrapStack.vrt", "DESCENDING", "UP"),
    },
    "GUNW": {
        "no range": odd_number(f"{RADAR}/slantRangeStart", None),
        "a range in words": odd_number(f"{RADAR}/slantRangeStart", "near"),
        "a wavelength in words": odd_number(f"{RADAR}/wavelength", "C"),
        "no metadata of the radar": odd_number(RADAR, None),
        "no baseline": odd_number(f"{GEOMETRY}/perpendicularBaseline", None),
        "a baseline in words": odd_number(f"{GEOMETRY}/perpendicularBaseline", "far"),
        "no geometry": odd_number(GEOMETRY, None),
    },
    "GMTSAR": {
        "a wavelength in words": text("*.PRM", "0.0554658", "C"),
        "a rate of zero": text("*.PRM", "64345238.125714", "0"),
        "a radius in words": text("*.PRM", "6371383.6", "large"),
        "a clock in words": text("*.PRM", "2018005.5885325549", "noon"),
        "a baseline in words": text("baseline_table.dat", "-5.5 60.0", "-5.5 far"),
        "a line cut short": write("baseline_table.dat", b"S1_20180106 2018005.5 1465\n"),
        "a filter in words": text("config.S1_TOPS.txt", "200", "long"),
    },
}
CHANGES = {name: dict(cases) for name, cases in VALUES.items()}
for _name, _patterns in TEXTS.items():
    for _pattern in _patterns:
        CHANGES[_name] |= {f"{_pattern}: {what}": write(_pattern, how) for what, how in NONSENSE.items()}
        CHANGES[_name][f"{_pattern}: gone"] = remove(_pattern)
CASES = [(name, case) for name, cases in CHANGES.items() for case in cases]


def test_every_reader_is_looked_at():
    assert set(CHANGES) == set(STACKS)


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_stack_opens_without_what_it_does_not_need(name, case, tmp_path, caplog):
    root = copy_of(name, tmp_path)
    CHANGES[name][case](root)
    with caplog.at_level(logging.WARNING):
        stack = fringefleet.open_stack(root, chunks=None)
    assert stack.sizes["pair"] == 9
    assert "Traceback" not in caplog.text
    kinds = [record.getMessage().split(":")[0] for record in caplog.records]
    assert len(kinds) == len(set(kinds))  # each kind once, however many files
    if case in VALUES[name] and not case.startswith(("no ", "a direction", "a radius of 0")):
        assert "without " in caplog.text
    fringefleet.invert(stack, weight_func="no", wavelength=0.0555, reference_point=checks.POINT)


class TestLiCSAR:
    def test_old_baselines_of_nine_columns_are_those_of_pairs_and_of_dates(self, tmp_path):
        root = copy_of("LiCSAR", tmp_path)
        of_date = {"20180106": 0.0, "20180118": 12.5, "20180130": -7.0, "20180211": 3.0}
        lines = [
            f"  {number} {first} {second} {of_date[second] - of_date[first]:.1f} 12.0 0.0 12.0 "
            f"{of_date[first]} {of_date[second]}\n"
            for number, (first, second) in enumerate([("20180106", "20180118"), ("20180130", "20180211")], 1)
        ]
        (root / "GEOC" / "baselines").write_text("".join(lines))
        stack = fringefleet.open_stack(root)
        dates = checks.text_dates(checks.simulated())
        wanted = [of_date.get(b, np.nan) - of_date.get(a, np.nan) for a, b in dates]
        np.testing.assert_allclose(stack.perpendicular_baseline, wanted, rtol=1e-6)

    def test_a_file_whose_lines_contradict_each_other_keeps_what_it_says_of_pairs(self, tmp_path, caplog):
        root = copy_of("LiCSAR", tmp_path)
        lines = (
            "1 20180106 20180118 96.6 12.0 -12.0 24.0 34.2 130.9\n"
            "2 20180106 20180130 32.4 24.0 0.0 12.0 0.0 32.4\n"
        )
        (root / "GEOC" / "baselines").write_text(lines)
        found = fringefleet.open_stack(root).perpendicular_baseline.values
        np.testing.assert_allclose(found[:2], [96.6, 32.4], rtol=1e-6)
        assert "has both 0.0 and 34.2 m for 20180106" in caplog.text

    def test_a_second_reference_date_says_nothing_of_the_first(self, tmp_path):
        root = copy_of("LiCSAR", tmp_path)
        lines = "20180106 20180118 10 12\n20180106 20180130 20 24\n20180211 20180223 5 12\n"
        (root / "GEOC" / "baselines").write_text(lines)
        stack = fringefleet.open_stack(root)
        names = [b for _, b in checks.text_dates(checks.simulated())]
        by_date = dict(zip(names, stack.perpendicular_baseline.values, strict=True))
        assert by_date["20180118"] == 10
        assert np.isnan(by_date["20180211"])


def without_components(name, root):
    """Take the connected components of the first pair away."""
    if name == "GUNW":
        with h5py.File(min(root.glob("*.nc")), "r+") as file:
            del file["science/grids/data/connectedComponents"]
        return
    if name == "ARIA-tools":
        path = root / "stack" / "connCompStack.vrt"
        content = path.read_text()
        first = content[content.index("  <VRTRasterBand") : content.index("</VRTRasterBand>") + 16]
        path.write_text(content.replace(first, ""))
        return
    pattern = {"ISCE2": "*.conncomp.*", "GMTSAR": "conncomp.grd"}.get(name, "*conncomp*")
    folder = min(file.parent for file in root.rglob(pattern))
    for file in sorted(folder.glob(pattern))[: 1 if name == "dolphin" else None]:
        file.unlink()


@pytest.mark.parametrize("name", ["HyP3 burst", "dolphin", "ISCE2", "ARIA-tools", "GUNW", "GMTSAR"])
def test_components_that_one_pair_lacks_are_left_out_or_the_pair_is(name, tmp_path, caplog):
    root = copy_of(name, tmp_path)
    without_components(name, root)
    stack = fringefleet.open_stack(root)
    assert "connected_component" not in stack
    assert stack.sizes["pair"] == 9
    assert "without the variable connected_component: 1 of 9 pairs have none" in caplog.text
    stack = fringefleet.open_stack(root, drop_incomplete=True)
    assert "connected_component" in stack
    assert stack.sizes["pair"] == 8


def fail_after_leaving_out():
    leave_out("the heading", "a.txt has none")
    raise StackFormatError("no stack")


def test_what_is_left_out_is_said_once_and_not_at_all_before_an_error(caplog):
    with reported_once():
        for file in "abc":
            with optional("the heading", f"{file}.txt"):
                float("north")
        leave_out("the time", "a.txt has none.")
    assert [record.getMessage() for record in caplog.records] == [
        "without the heading: a.txt: could not convert string to float: 'north', and so 2 more times",
        "without the time: a.txt has none",
    ]
    caplog.clear()
    with pytest.raises(StackFormatError), reported_once():
        fail_after_leaving_out()
    assert not caplog.records
