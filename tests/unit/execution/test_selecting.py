"""The pairs and the window that a selection keeps, each rule by itself; and what is refused before work."""

import numpy as np
import pytest
import xarray as xr

from fringefleet import Options, Selection, Setting
from fringefleet.errors import InputError, MissingMetadataError, NetworkError, OptionError
from fringefleet.execution.prepare import prepare
from fringefleet.execution.selecting import find_window, select_pairs
from fringefleet.simulate import Scene, simulate_dataset

SCENE = Scene(n_date=8, shape=(20, 30), neighbours=3)
DATES = np.char.replace(SCENE.dates.astype("datetime64[D]").astype(str), "-", "").tolist()  # 12 days apart


@pytest.fixture(scope="module")
def scene():
    return simulate_dataset(SCENE)[0]


def names_of(stack):
    dates = [stack[name].dt.strftime("%Y%m%d").values for name in ("reference_date", "secondary_date")]
    return {f"{one}_{other}" for one, other in zip(*dates, strict=True)}


ALL = {f"{DATES[i]}_{DATES[j]}" for i, j in SCENE.pairs}


@pytest.mark.parametrize(
    ("selection", "keeps"),
    [
        (Selection(), lambda *_: True),
        (Selection(start_date=DATES[2]), lambda i, j: i >= 2 and j >= 2),
        (Selection(end_date=DATES[5]), lambda i, j: i <= 5 and j <= 5),
        (Selection(start_date="20180107", end_date="2018-03-30"), lambda i, j: i >= 1 and j <= 6),
        (Selection(exclude_dates=(DATES[3], DATES[6])), lambda i, j: not {3, 6} & {i, j}),
        (Selection(exclude_pairs=f"{DATES[0]}_{DATES[2]}"), lambda i, j: (i, j) != (0, 2)),
        (Selection(exclude_pairs=f"{DATES[2]}_{DATES[0]}"), lambda i, j: (i, j) != (0, 2)),
        (Selection(max_temporal_baseline=24), lambda i, j: j - i <= 2),
        (Selection(max_temporal_baseline=23.9), lambda i, j: j - i <= 1),
        (Selection(start_date=DATES[2], max_temporal_baseline=12), lambda i, j: i >= 2 and j - i == 1),
    ],
)
def test_pairs_that_a_rule_omits_are_left_out_and_no_others(scene, selection, keeps):
    expected = {f"{DATES[i]}_{DATES[j]}" for i, j in SCENE.pairs if keeps(i, j)}
    assert names_of(select_pairs(scene, selection)) == expected
    assert (expected == ALL) == (selection == Selection())


def test_a_longer_perpendicular_baseline_is_left_out_whatever_its_sign(scene):
    baseline = np.linspace(-90, 90, scene.sizes["pair"])
    stack = scene.assign_coords(perpendicular_baseline=("pair", baseline))
    kept = select_pairs(stack, Selection(max_perpendicular_baseline=baseline[-2]))
    np.testing.assert_array_equal(kept["perpendicular_baseline"], baseline[1:-1])


def test_a_day_of_an_end_date_is_all_of_it(scene):
    stack = scene.assign_coords(
        {name: scene[name] + np.timedelta64(80_000, "s") for name in ("reference_date", "secondary_date")}
    )
    kept = select_pairs(stack, Selection(end_date=DATES[4]))
    assert kept["secondary_date"].values.max() == stack["secondary_date"].values[0] + np.timedelta64(36, "D")


@pytest.mark.parametrize(
    ("selection", "error", "message"),
    [
        (
            Selection(exclude_dates="20190101"),
            OptionError,
            "exclude_dates = 20190101, and the stack has no such",
        ),
        (Selection(exclude_dates="monday"), OptionError, "exclude_dates: found the date 'monday'"),
        (Selection(start_date="monday"), OptionError, "start_date: found the date 'monday'"),
        (Selection(exclude_pairs="20180106"), OptionError, "a pair has the form YYYYMMDD_YYYYMMDD"),
        (
            Selection(exclude_pairs=f"{DATES[0]}_{DATES[7]}"),
            OptionError,
            f"exclude_pairs = {DATES[0]}_{DATES[7]}, and the stack has no pair of these dates",
        ),
        (
            Selection(start_date="20200101"),
            NetworkError,
            "found no pair with start_date = 20200101; none of 18",
        ),
        (Selection(max_temporal_baseline=11), NetworkError, "found no pair with max_temporal_baseline = 11"),
        (Selection(rows=(5, 21)), OptionError, r"found rows = \(5, 21\) of a scene that has 20 rows"),
        (Selection(columns=(30, 31)), OptionError, "of a scene that has 30 columns"),
        (
            Selection(bbox=(10, 10, 11, 11)),
            OptionError,
            "no pixel of the scene inside: it goes from -99.6 to",
        ),
    ],
)
def test_an_empty_selection_and_what_is_not_there_are_refused_before_work(scene, selection, error, message):
    with pytest.raises(error, match=message):
        prepare(scene, Options(), Setting(), selection)


def test_a_limit_of_baselines_that_are_not_known_is_refused(scene):
    selection = Selection(max_perpendicular_baseline=50)
    without = scene.drop_vars("perpendicular_baseline")
    with pytest.raises(MissingMetadataError, match="found no perpendicular_baseline in the stack, which"):
        select_pairs(without, selection)
    baseline = scene["perpendicular_baseline"].values.copy()
    baseline[3] = np.nan
    some = scene.assign_coords(perpendicular_baseline=("pair", baseline))
    with pytest.raises(
        MissingMetadataError, match=f"no perpendicular baseline of {DATES[1]}_{DATES[2]}; max_"
    ):
        select_pairs(some, selection)


def test_a_selection_that_leaves_one_date_pair_only_is_a_network_still(scene):
    prepared = prepare(scene, Options(), Setting(), Selection(start_date=DATES[6]))
    assert (prepared.scene.network.n_date, prepared.scene.network.n_pair) == (2, 1)


def test_a_box_keeps_the_pixels_whose_centres_lie_inside(scene):
    y, x = scene["y"].values, scene["x"].values
    step = float(x[1] - x[0])
    rows, columns = find_window(
        scene, Selection(bbox=(x[3] - 0.4 * step, y[9] - 0.4 * step, x[8] + 0.6 * step, y[2] + 0.4 * step))
    )
    assert (rows, columns) == (slice(2, 10), slice(3, 9))


def test_a_box_in_degrees_finds_the_pixels_of_a_projected_scene(scene):
    from pyproj import CRS, Transformer

    utm = CRS.from_epsg(32614)
    projected = scene.assign_coords(
        y=("y", 2_190_000.0 - 60 * np.arange(20), {"units": "m"}),
        x=("x", 440_000.0 + 60 * np.arange(30), {"units": "m"}),
        spatial_ref=((), 0, utm.to_cf()),
    )
    to_degrees = Transformer.from_crs(utm, 4326, always_xy=True)
    x, y = projected["x"].values, projected["y"].values
    west, south, east, north = to_degrees.transform_bounds(x[4], y[15], x[20], y[6])
    rows, columns = find_window(projected, Selection(bbox=(west, south, east, north)))
    assert rows.start <= 6
    assert rows.stop >= 16
    assert columns.start <= 4
    assert columns.stop >= 21
    assert (rows.stop - rows.start, columns.stop - columns.start) <= (12, 19)


def test_longitudes_are_the_same_a_turn_further(scene):
    x, y = scene["x"].values, scene["y"].values
    box = (x[3] + 360, y[9], x[8] + 360, y[2])
    assert find_window(scene, Selection(bbox=box)) == find_window(
        scene, Selection(bbox=(x[3], y[9], x[8], y[2]))
    )


def test_a_box_in_radar_geometry_is_refused(scene):
    radar = scene.drop_vars(["y", "x", "spatial_ref"])
    with pytest.raises(InputError, match=r"found bbox for a scene in radar geometry.*give rows and columns"):
        prepare(radar, Options(), Setting(), Selection(bbox=(1, 2, 3, 4)))


def test_dropped_pairs_stay_unread(scene):
    class Unreadable(xr.backends.BackendArray):
        shape, dtype = scene["coherence"].shape, np.dtype("f4")

        def __getitem__(self, key):
            raise AssertionError("read")

    lazy = xr.Variable(("pair", "y", "x"), xr.core.indexing.LazilyIndexedArray(Unreadable()))
    assert select_pairs(scene.assign(coherence=lazy), Selection(end_date=DATES[4])).sizes["pair"] == 9
