from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fringefleet.engine.footprint import FUSED_BATCH, bytes_per_pixel
from fringefleet.errors import BlockTooLargeError, OptionError
from fringefleet.execution.memory_model import ComputeResources, MemoryBudget, bytes_of_gpu, bytes_of_worker
from fringefleet.execution.tiling import (
    GPU_SHARE,
    LARGEST_TILE,
    SMALLEST_TILE,
    TILE_BYTES,
    check_tile,
    choose_tile,
    count_workers,
)
from fringefleet.network.network import Network
from fringefleet.options import Options
from fringefleet.simulate import Scene
from strategies import networks

DATES = tuple(f"2018-01-{day:02d}T00:00:00" for day in range(1, 31))
CHAIN = Network(DATES, tuple((i, i + 1) for i in range(29)))


def simulated(n_date, neighbours):
    """Give the network of a scene, 98 dates and 475 pairs for instance."""
    scene = Scene(n_date=n_date, neighbours=neighbours)
    return Network.from_dates(*(scene.dates[list(dates)] for dates in zip(*scene.pairs, strict=True)))


EVERY_PAIR = Network(DATES, tuple((i, j) for i in range(30) for j in range(i + 1, 30)))
NEIGHBOURS = simulated(98, 5)
MANY_PAIRS = simulated(333, 4)
LENGTH = st.integers(1, 5000)


@given(networks(), st.tuples(LENGTH, LENGTH), st.none() | st.tuples(LENGTH, LENGTH), st.integers(1, 64))
def test_a_tile_is_in_the_scene_and_within_the_bytes(network, shape, stored, n_worker):
    rows, columns = choose_tile(shape, stored, network, Options(), ComputeResources(n_worker))
    assert 1 <= rows <= shape[0]
    assert 1 <= columns <= shape[1]
    assert rows * columns <= LARGEST_TILE
    assert rows * columns * bytes_per_pixel(network, Options()) <= TILE_BYTES


@given(
    networks(),
    st.integers(1, 64),
    st.integers(400, 20_000),
    st.none() | st.tuples(LENGTH, LENGTH),
    st.sampled_from(["cpu", "cuda"]),
)
def test_all_workers_together_stay_within_a_limit_of_memory(network, n_worker, megabytes, stored, device):
    limit, options = megabytes * 10**6, Options(device=device)
    means = ComputeResources(n_worker, n_core=3, memory=MemoryBudget(total=limit), chunk_bytes=10**6)
    try:
        tile = choose_tile((4000, 4000), stored, network, options, means)
    except BlockTooLargeError:
        assert bytes_of_worker(SMALLEST_TILE, network, options, means) > limit
        return
    n_pixel = tile[0] * tile[1]
    n_fits = count_workers(n_pixel, network, options, means)
    assert 1 <= n_fits <= n_worker
    assert n_fits * bytes_of_worker(n_pixel, network, options, means) <= limit


def test_a_limit_makes_tiles_smaller_first_and_then_workers_fewer():
    def plan(gigabytes):
        means = ComputeResources(4, memory=MemoryBudget(total=int(gigabytes * 1024**3)))
        tile = choose_tile((4000, 4000), (64, 64), EVERY_PAIR, Options(), means)
        return tile, count_workers(tile[0] * tile[1], EVERY_PAIR, Options(), means)

    free = choose_tile((4000, 4000), (64, 64), EVERY_PAIR, Options(), ComputeResources(4))
    assert plan(100) == (free, 4)
    some, least = plan(3), plan(1.2)
    assert some[1] == 4
    assert some[0][0] * some[0][1] < free[0] * free[1]
    assert least[1] == 2
    assert SMALLEST_TILE <= least[0][0] * least[0][1] <= some[0][0] * some[0][1]


def test_a_limit_that_not_even_one_worker_keeps_says_what_is_enough():
    with pytest.raises(
        BlockTooLargeError, match=r"limit of 100,000,000 bytes .* needs about .* Allow \d\.\d GB"
    ) as e:
        choose_tile(
            (4000, 4000), None, EVERY_PAIR, Options(), ComputeResources(8, memory=MemoryBudget(total=10**8))
        )
    enough = float(str(e.value).split("Allow ")[1].split(" GB")[0])
    means = ComputeResources(8, memory=MemoryBudget(total=int(enough * 1e9)))
    tile = choose_tile((4000, 4000), None, EVERY_PAIR, Options(), means)
    assert count_workers(tile[0] * tile[1], EVERY_PAIR, Options(), means) == 1


GIGABYTE = 10**9
LAUNCH = 2**17  # pixels, with which the kernel is fastest
GALAPAGOS = (1900, 1950)  # 3.7 million pixels


def gpu_tile(
    shape=GALAPAGOS, stored=(96, 96), network=NEIGHBOURS, gpu_chunk_size=0, gpu_memory=None, **means
):
    options = Options(device="cuda", gpu_chunk_size=gpu_chunk_size)
    means = {"memory": MemoryBudget(gpu=gpu_memory)} | means
    return choose_tile(shape, stored, network, options, ComputeResources(**means))


@pytest.mark.parametrize("stored", [None, (64, 64), (96, 96), (128, 128), (128, 64), (256, 256), (3, 1950)])
@pytest.mark.parametrize("gpu_memory", [None, 16 << 30, 80 << 30, 141 << 30])
def test_a_tile_on_a_gpu_fills_a_launch_with_whole_chunks(stored, gpu_memory):
    rows, columns = gpu_tile(stored=stored, gpu_memory=gpu_memory)
    assert LAUNCH <= rows * columns <= FUSED_BATCH
    if stored:
        assert rows % stored[0] == columns % stored[1] == 0
        assert rows * columns * 475 * 8 > 3 * TILE_BYTES


@pytest.mark.parametrize("n_worker", [1, 2, 4, 8, 40])
def test_each_gpu_has_some_tiles_so_that_they_overlap(n_worker):
    rows, columns = gpu_tile(stored=(64, 64), n_worker=n_worker)
    n_tile = -(-GALAPAGOS[0] // rows) * -(-GALAPAGOS[1] // columns)
    assert n_tile >= 4 * n_worker
    if n_worker <= 4:
        assert rows * columns >= LAUNCH


def test_a_tile_is_no_larger_than_the_memory_of_a_gpu_allows():
    before = 0
    for gigabytes in (1, 2, 4, 8, 16):
        memory = gigabytes * GIGABYTE
        rows, columns = gpu_tile(gpu_memory=memory, network=MANY_PAIRS)
        assert bytes_of_gpu(rows * columns, MANY_PAIRS, Options(device="cuda")) <= GPU_SHARE * memory
        assert before <= rows * columns
        before = rows * columns
    assert before >= LAUNCH


def test_a_tile_on_a_gpu_is_no_larger_than_the_memory_of_the_host_allows():
    for worker_memory in (2 * GIGABYTE, 3 * GIGABYTE, 8 * GIGABYTE):
        means = {"memory": MemoryBudget(worker=worker_memory), "n_core": 8, "chunk_bytes": 475 * 4 * 96 * 96}
        tile = gpu_tile(**means)
        check_tile(tile, NEIGHBOURS, Options(device="cuda"), ComputeResources(**means))
    assert tile[0] * tile[1] >= LAUNCH


@pytest.mark.parametrize("gpu_chunk_size", [100, 20_000, FUSED_BATCH])
def test_few_pixels_at_once_on_a_gpu_make_no_small_tiles_but_take_less_of_its_memory(gpu_chunk_size):
    tile = gpu_tile(gpu_chunk_size=gpu_chunk_size)
    assert tile == gpu_tile()
    n_pixel = tile[0] * tile[1]
    few, all_at_once = (Options(device="cuda", gpu_chunk_size=size) for size in (gpu_chunk_size, n_pixel))
    assert bytes_of_gpu(n_pixel, NEIGHBOURS, few) <= bytes_of_gpu(n_pixel, NEIGHBOURS, all_at_once)


def test_more_pixels_at_once_on_a_gpu_make_larger_tiles():
    rows, columns = gpu_tile(gpu_chunk_size=400_000)
    assert rows * columns > 300_000


def test_a_gpu_solves_in_memory_of_its_own():
    on_gpu = Options(device="cuda")
    more = bytes_of_worker(2 * 10**6, CHAIN, on_gpu, ComputeResources()) - bytes_of_worker(
        10**6, CHAIN, on_gpu, ComputeResources()
    )
    assert more < 4 * 10**6 * bytes_per_pixel(CHAIN, on_gpu)


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
    rows, columns = choose_tile((600, 600), None, CHAIN, Options(), ComputeResources(4))
    assert rows * columns <= 600 * 600 / 8


def test_tiles_are_not_shared_out_to_crumbs():
    rows, columns = choose_tile((600, 600), None, CHAIN, Options(), ComputeResources(1000))
    assert (rows, columns) == (64, 64)


@pytest.mark.parametrize("tile", [(0, 5), (5, 0), (-1, 5)])
def test_a_tile_without_pixels_is_refused(tile):
    with pytest.raises(OptionError, match=r"found chunks = \(.*\); give rows and columns of 1 or more"):
        check_tile(tile, CHAIN, Options(), ComputeResources())


@pytest.mark.parametrize(
    "means", [ComputeResources(), ComputeResources(n_thread=3, n_core=8, chunk_bytes=10**6)]
)
def test_a_tile_that_a_worker_cannot_hold_is_refused_with_one_that_it_can(means):
    means = replace(means, memory=MemoryBudget(worker=10**9))
    with pytest.raises(
        BlockTooLargeError, match=r"tiles of 2000 x 2000 .*needs about .* has 1,000,000,000"
    ) as caught:
        check_tile((2000, 2000), EVERY_PAIR, Options(), means)
    assert isinstance(caught.value, MemoryError)
    side = int(str(caught.value).split("chunks = (")[1].split(",")[0])
    check_tile((side, side), EVERY_PAIR, Options(), means)
    with pytest.raises(BlockTooLargeError):
        check_tile((side + 1, side + 1), EVERY_PAIR, Options(), means)


def test_a_tile_may_fill_the_limit_exactly():
    needed = bytes_of_worker(100 * 50, CHAIN, Options(), ComputeResources())
    check_tile((100, 50), CHAIN, Options(), ComputeResources(memory=MemoryBudget(worker=needed)))
    check_tile((100, 50), CHAIN, Options(), ComputeResources())
    with pytest.raises(BlockTooLargeError, match=r"or each worker \d\.\d GB"):
        check_tile((100, 50), CHAIN, Options(), ComputeResources(memory=MemoryBudget(worker=needed - 1)))


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
    series, maps, mask = (4 + 1) * 30, 3 * 4 + 2, 1  # displacement and gap_filled; the other variables; water
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
    check_tile((512, 512), CHAIN, Options(), ComputeResources(memory=MemoryBudget(worker=10**9)))
    with pytest.raises(BlockTooLargeError):
        check_tile((512, 512), CHAIN, options, ComputeResources(memory=MemoryBudget(worker=10**9)))


@pytest.mark.parametrize("stored", [None, (64, 64), (300, 4000), (5, 4000)])
@pytest.mark.parametrize("gigabytes", [0.6, 0.8, 1.5, 40])
def test_tiles_fit_into_workers_whose_memory_is_their_own_and_all_of_them_have_work(stored, gigabytes):
    own = ComputeResources(8, memory=MemoryBudget(worker=int(gigabytes * 1e9)))
    tile = choose_tile((4000, 4000), stored, EVERY_PAIR, Options(), own)
    check_tile(tile, EVERY_PAIR, Options(), own)
    assert tile[0] * tile[1] <= TILE_BYTES / bytes_per_pixel(EVERY_PAIR, Options())


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_tile_is_no_larger_than_its_covariances_can_be_packed(device):
    options = Options(device=device, covariance=True)
    tile = choose_tile((2000, 2000), (96, 96), NEIGHBOURS, options, ComputeResources())
    assert 4 * 98**2 * tile[0] * tile[1] <= 2**31 - 2**16
    check_tile(tile, NEIGHBOURS, options, ComputeResources())
    with pytest.raises(
        BlockTooLargeError, match=r"a chunk of a result has at most 2,147,418,112 bytes.*236, 236"
    ):
        check_tile((400, 400), NEIGHBOURS, options, ComputeResources())
