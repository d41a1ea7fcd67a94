import pytest
from hypothesis import given
from hypothesis import strategies as st

from fringefleet.chunks import (
    COPIES,
    IDLE_WORKER_BYTES,
    LARGEST_TILE,
    SMALLEST_TILE,
    TILE_BYTES,
    bytes_of_worker,
    check_tile,
    choose_tile,
    count_workers,
)
from fringefleet.errors import BlockTooLargeError, OptionError
from fringefleet.footprint import bytes_per_pixel, solver_bytes_per_pixel
from fringefleet.network import Network
from fringefleet.options import Options
from fringefleet.plan import plan_elimination
from strategies import networks

DATES = tuple(f"2018-01-{day:02d}T00:00:00" for day in range(1, 31))
CHAIN = Network(DATES, tuple((i, i + 1) for i in range(29)))
EVERY_PAIR = Network(DATES, tuple((i, j) for i in range(30) for j in range(i + 1, 30)))
LENGTH = st.integers(1, 5000)


@given(networks(), st.tuples(LENGTH, LENGTH), st.none() | st.tuples(LENGTH, LENGTH), st.integers(1, 64))
def test_a_tile_is_in_the_scene_and_within_the_bytes(network, shape, stored, n_worker):
    rows, columns = choose_tile(shape, stored, network, Options(), n_worker)
    assert 1 <= rows <= shape[0]
    assert 1 <= columns <= shape[1]
    assert rows * columns <= LARGEST_TILE
    assert rows * columns * bytes_per_pixel(network, Options()) <= TILE_BYTES


@given(networks(), st.integers(1, 64), st.integers(400, 20_000), st.none() | st.tuples(LENGTH, LENGTH))
def test_all_workers_together_stay_within_a_limit_of_memory(network, n_worker, megabytes, stored):
    limit = megabytes * 10**6
    try:
        tile = choose_tile((4000, 4000), stored, network, Options(), n_worker, limit)
    except BlockTooLargeError:
        assert bytes_of_worker(SMALLEST_TILE, network, Options()) > limit
        return
    n_pixel = tile[0] * tile[1]
    n_fits = count_workers(n_worker, n_pixel, network, Options(), limit)
    assert 1 <= n_fits <= n_worker
    assert n_fits * bytes_of_worker(n_pixel, network, Options()) <= limit


def test_a_limit_makes_tiles_smaller_first_and_then_workers_fewer():
    def plan(gigabytes):
        limit = int(gigabytes * 1024**3)
        tile = choose_tile((4000, 4000), (64, 64), EVERY_PAIR, Options(), 4, limit)
        return tile, count_workers(4, tile[0] * tile[1], EVERY_PAIR, Options(), limit)

    free = choose_tile((4000, 4000), (64, 64), EVERY_PAIR, Options(), 4)
    assert plan(100) == (free, 4)
    some, least = plan(2.5), plan(1.2)
    assert some[1] == 4
    assert some[0][0] * some[0][1] < free[0] * free[1]
    assert least[1] == 2
    assert SMALLEST_TILE <= least[0][0] * least[0][1] <= some[0][0] * some[0][1]


def test_a_limit_that_not_even_one_worker_keeps_says_what_is_enough():
    with pytest.raises(
        BlockTooLargeError, match=r"limit of 100,000,000 bytes .* needs about .* Allow \d\.\d GB"
    ) as e:
        choose_tile((4000, 4000), None, EVERY_PAIR, Options(), 8, 10**8)
    enough = float(str(e.value).split("Allow ")[1].split(" GB")[0])
    limit = int(enough * 1e9)
    tile = choose_tile((4000, 4000), None, EVERY_PAIR, Options(), 8, limit)
    assert count_workers(8, tile[0] * tile[1], EVERY_PAIR, Options(), limit) == 1


def test_a_gpu_solves_in_memory_of_its_own():
    on_gpu = Options(device="cuda")
    in_batch = 10**4 * int(COPIES * bytes_per_pixel(CHAIN, on_gpu))
    assert abs(bytes_of_worker(10**4, CHAIN, on_gpu) - IDLE_WORKER_BYTES - in_batch) < 10**4
    assert bytes_of_worker(10**4, CHAIN, Options()) - IDLE_WORKER_BYTES > in_batch


def test_more_pairs_make_smaller_tiles():
    few, many = (choose_tile((4000, 4000), (64, 64), net, Options()) for net in (CHAIN, EVERY_PAIR))
    assert few == (512, 512)
    assert many[0] * many[1] < few[0] * few[1]
    assert many[0] % 64 == many[1] % 64 == 0


def test_what_is_not_read_makes_larger_tiles():
    without = Options(weight_func="no")
    lean, full = (choose_tile((4000, 4000), None, EVERY_PAIR, options) for options in (without, Options()))
    assert lean[0] * lean[1] > 1.5 * full[0] * full[1]


def test_a_small_scene_is_shared_out_between_the_workers():
    rows, columns = choose_tile((600, 600), None, CHAIN, Options(), 4)
    assert rows * columns <= 600 * 600 / 8


def test_tiles_are_not_shared_out_to_crumbs():
    rows, columns = choose_tile((600, 600), None, CHAIN, Options(), 1000)
    assert (rows, columns) == (64, 64)


@pytest.mark.parametrize("tile", [(0, 5), (5, 0), (-1, 5)])
def test_a_tile_without_pixels_is_refused(tile):
    with pytest.raises(OptionError, match=r"found chunks = \(.*\); give rows and columns of 1 or more"):
        check_tile(tile, CHAIN, Options(), None)


def test_a_tile_that_a_worker_cannot_hold_is_refused_with_one_that_it_can():
    limit = 10**9
    with pytest.raises(
        BlockTooLargeError, match=r"a tile of 2000 x 2000 .*needs about .* has 1,000,000,000"
    ) as caught:
        check_tile((2000, 2000), EVERY_PAIR, Options(), limit)
    assert isinstance(caught.value, MemoryError)
    side = int(str(caught.value).split("chunks = (")[1].split(",")[0])
    check_tile((side, side), EVERY_PAIR, Options(), limit)
    with pytest.raises(BlockTooLargeError):
        check_tile((side + 1, side + 1), EVERY_PAIR, Options(), limit)


def test_a_tile_is_held_in_copies_beside_its_worker_and_may_fill_the_limit_exactly():
    batch = 100 * 50 * solver_bytes_per_pixel(plan_elimination(CHAIN), Options())  # all in one, and no more
    needed = IDLE_WORKER_BYTES + int(100 * 50 * COPIES * bytes_per_pixel(CHAIN, Options())) + batch
    check_tile((100, 50), CHAIN, Options(), needed)
    check_tile((100, 50), CHAIN, Options(), None)
    with pytest.raises(BlockTooLargeError, match=r"or each worker \d\.\d GB"):
        check_tile((100, 50), CHAIN, Options(), needed - 1)


@pytest.mark.parametrize(
    ("options", "per_pair"),
    [
        (Options(), 8),
        (Options(weight_func="no"), 4),
        (Options(weight_func="no", mask_dataset="coherence"), 8),
        (Options(weight_func="no", mask_dataset="connected_component"), 6),
        (Options(mask_dataset="connected_component"), 10),
    ],
)
def test_a_block_holds_just_the_datasets_that_the_options_need(options, per_pair):
    series, maps, mask = (4 + 1) * 30, 3 * 4 + 2, 1  # displacement and bridged; the other variables; water
    assert bytes_per_pixel(EVERY_PAIR, options) == 435 * per_pair + series + maps + mask


@pytest.mark.parametrize(
    ("wanted", "more"),
    [
        ({"std": True}, 4 * 30),
        ({"covariance": True}, 4 * 30 * 30),
        ({"diagnose": True}, 3 * 4),
        ({"dem_error": True}, 2 * 4 + 4),
        ({"std": True, "diagnose": True}, 4 * 30 + 3 * 4),
    ],
)
def test_a_block_holds_what_is_wanted_besides(wanted, more):
    plain = bytes_per_pixel(EVERY_PAIR, Options())
    assert bytes_per_pixel(EVERY_PAIR, Options(**wanted)) == plain + more


def test_a_covariance_makes_small_tiles_and_what_a_worker_cannot_hold_is_refused():
    options = Options(covariance=True)
    plain, tile = (choose_tile((4000, 4000), (64, 64), CHAIN, o) for o in (Options(), options))
    assert tile[0] * tile[1] < plain[0] * plain[1] / 3
    assert tile[0] * tile[1] * bytes_per_pixel(CHAIN, options) <= TILE_BYTES
    check_tile((512, 512), CHAIN, Options(), 10**9)
    with pytest.raises(BlockTooLargeError):
        check_tile((512, 512), CHAIN, options, 10**9)


@pytest.mark.parametrize("stored", [None, (64, 64), (300, 4000), (5, 4000)])
@pytest.mark.parametrize("gigabytes", [0.6, 0.8, 1.5, 40])
def test_tiles_fit_into_workers_whose_memory_is_their_own_and_all_of_them_have_work(stored, gigabytes):
    own = int(gigabytes * 1e9)
    tile = choose_tile((4000, 4000), stored, EVERY_PAIR, Options(), 8, worker_memory=own)
    check_tile(tile, EVERY_PAIR, Options(), own)
    assert tile[0] * tile[1] <= TILE_BYTES / bytes_per_pixel(EVERY_PAIR, Options())
