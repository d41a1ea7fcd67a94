"""What a result consists of, and that a block gives just that."""

import numpy as np
import pytest

from fringefleet.engine.block import invert_block
from fringefleet.engine.context import Block, InversionContext
from fringefleet.network.network import Network
from fringefleet.options import Options
from fringefleet.products.base import Product
from fringefleet.products.registry import (
    PRODUCTS,
    all_variables,
    bytes_of_result,
    products_for,
    wanted_variables,
)
from fringefleet.status import Status

ALWAYS = [
    "displacement",
    "temporal_coherence",
    "residual_rms",
    "pair_count",
    "n_components",
    "status",
    "gap_filled",
]
BESIDES = {
    "std": ["displacement_std"],
    "covariance": ["displacement_cov"],
    "diagnose": ["closure_rms", "misclosed_count", "triplet_count"],
    "dem_error": ["dem_error", "dem_error_std"],
    "velocity": [
        *("velocity", "velocity_std", "intercept", "intercept_std"),
        *("series_residual_rms", "date_count"),
    ],
}
DATES = tuple(f"2018-{month:02d}-07T00:00:00" for month in range(1, 8))
PAIRS = tuple((i, i + gap) for i in range(7) for gap in (1, 2) if i + gap < 7)
SCENE = InversionContext(
    Network(DATES, PAIRS), 0, (0.0,) * 11, 0.0555, 8, (0.0, 50.0, -80.0, 20.0, 120.0, -30.0, 60.0), 5e5
)


@pytest.mark.parametrize("option", BESIDES)
def test_every_option_adds_its_variables_and_no_others(option):
    assert list(wanted_variables(Options(**{option: True}))) == ALWAYS + BESIDES[option]


def test_without_options_there_is_what_every_result_has():
    assert list(wanted_variables(Options())) == ALWAYS


@pytest.mark.parametrize("uncertainty", ["residual", "covariance", "none"])
def test_no_variable_belongs_to_two_products_that_apply(uncertainty):
    options = Options(**dict.fromkeys(BESIDES, True), uncertainty=uncertainty)
    names = [name for product in products_for(options) for name in product.variables_for(options)]
    assert len(names) == len(set(names))
    assert len(products_for(options)) == len(PRODUCTS) - 1  # of the two of a velocity


def test_a_product_is_computed_in_one_way():
    with pytest.raises(TypeError, match="product of a, b needs one of compute, prepare and begin"):
        Product({"a": None, "b": None})


def test_a_block_gives_every_variable_with_its_dtype_and_dimensions():
    phase = np.random.default_rng(0).normal(0, 1, (11, 2, 3)).astype(np.float32)
    options = Options(weight_func="no", **dict.fromkeys(BESIDES, True))
    found = invert_block(Block(phase), SCENE, options).variables
    assert found.keys() == all_variables().keys()
    sizes = {"date": 7, "date2": 7, "y": 2, "x": 3}
    for name, variable in all_variables().items():
        assert found[name].dtype == np.dtype(variable.dtype), name
        assert found[name].shape == tuple(sizes[dim] for dim in variable.dims), name
    assert sum(values.nbytes for values in found.values()) == 6 * bytes_of_result(options, 7)


def test_every_variable_says_what_it_is_and_in_which_unit():
    for name, variable in all_variables().items():
        assert variable.dims[-2:] == ("y", "x"), name
        assert variable.attrs["long_name"]
        assert ("units" in variable.attrs) != ("flag_values" in variable.attrs), name


def test_flags_have_a_meaning_for_every_value():
    for name in ("status", "gap_filled"):
        attrs = all_variables()[name].attrs
        assert len(attrs["flag_values"]) == len(attrs["flag_meanings"].split()), name
    assert all_variables()["status"].attrs["flag_meanings"].split()[Status.NOT_CONVERGED] == "not_converged"
