"""Options that mean something are taken; others are refused with what would do."""

from dataclasses import fields
from typing import Any

import pytest

from fringefleet.errors import OptionError
from fringefleet.options import Options
from fringefleet.solver.config import Method


def options_of(values: dict[str, Any]) -> Options:
    """Build options from values that the type checker of the tests would refuse before they do."""
    options = object.__new__(Options)
    for name, value in {**vars(Options()), **values}.items():
        object.__setattr__(options, name, value)
    options.__post_init__()
    return options


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"norm": "l3"}, "found norm = 'l3'; use one of l2, l1, huber"),
        ({"gap_rule": None}, "found gap_rule = None; use one of minimum-norm, linear, none"),
        ({"huber_threshold": 0.0}, "found huber_threshold = 0.0; give more than 0 \\[standard deviations\\]"),
        ({"huber_threshold": float("nan")}, "found huber_threshold = nan"),
        ({"huber_threshold": float("inf")}, "found huber_threshold = inf"),
        ({"max_iterations": 0}, "found max_iterations = 0; give 1 or more"),
        ({"polynomial_order": 0}, "found polynomial_order = 0; give 1 or more"),
        ({"atmosphere_std": 0.0}, "found atmosphere_std = 0.0; give more than 0 \\[rad\\]"),
        ({"atmosphere_std": float("inf")}, "found atmosphere_std = inf; give more than 0 \\[rad\\]"),
        ({"observation": "coherence"}, "found observation = 'coherence'; give unwrapped_phase"),
        ({"observation": "range_offset", "weight_func": "fim"}, "weight_func = fim for range_offset; .* var"),
        ({"observation": "azimuth_offset", "weight_func": "coh"}, "weight_func = coh for azimuth_offset"),
        ({"mask_dataset": "snow"}, "found mask_dataset = 'snow'; use one of none, coherence, connected_comp"),
        ({"gpu_chunk_size": -1}, "found gpu_chunk_size = -1; give 0 or more \\[pixels\\]"),
    ],
)
def test_what_means_nothing_is_refused_with_what_would_do(wrong, message):
    with pytest.raises(OptionError, match=message):
        options_of(wrong)


@pytest.mark.parametrize(
    "right",
    [
        {"solver": "dense", "diagnose": True, "dem_error": True},
        {"norm": "l1", "max_iterations": 1},
        {"gap_rule": "minimum-norm", "min_norm": "phase"},
        {"observation": "unwrapped_phase_bridging", "diagnose": True},
        {"observation": "range_offset", "norm": "huber", "std": True, "mask_dataset": "azimuth_offset_std"},
    ],
)
def test_what_means_something_is_taken(right):
    assert options_of(right) == Options(**right)


@pytest.mark.parametrize("function", ["var", "fim", "coh", "no"])
@pytest.mark.parametrize("norm", ["l2", "l1", "huber"])
def test_only_inverse_variances_that_stay_so_are_formal(function, norm):
    assert Options(weight_func=function, norm=norm).is_formal == (function in ("var", "fim") and norm == "l2")


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({}, True),
        ({"weight_func": "no"}, False),
        ({"weight_func": "no", "mask_dataset": "coherence"}, True),
        ({"weight_func": "no", "mask_dataset": "connected_component", "std": True}, False),
        ({"observation": "range_offset"}, False),
        ({"observation": "range_offset", "mask_dataset": "coherence"}, True),
    ],
)
def test_the_coherence_is_read_for_weights_and_masks_only(options, needed):
    assert Options(**options).needs_coherence == needed


@pytest.mark.parametrize(
    ("options", "needs_std", "reads_mask"),
    [
        ({}, False, False),
        ({"mask_dataset": "coherence"}, False, False),
        ({"mask_dataset": "connected_component"}, False, True),
        ({"observation": "range_offset"}, True, False),
        ({"observation": "range_offset", "weight_func": "no"}, False, False),
        ({"observation": "range_offset", "mask_dataset": "range_offset_std"}, True, False),
        ({"observation": "range_offset", "mask_dataset": "azimuth_offset_std"}, True, True),
        (
            {"observation": "range_offset", "mask_dataset": "range_offset_std", "weight_func": "no"},
            False,
            True,
        ),
    ],
)
def test_the_standard_deviation_of_offsets_is_read_once_for_weights_and_mask(options, needs_std, reads_mask):
    chosen = Options(**options)
    assert (chosen.needs_std, chosen.reads_mask) == (needs_std, reads_mask)


def test_a_solver_gets_every_option_that_its_configuration_names():
    made_in_the_engine = {"unweighted", "columns"}
    options = {field.name for field in fields(Options)}
    assert {field.name for field in fields(Method)} - made_in_the_engine <= options
