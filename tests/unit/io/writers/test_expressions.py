"""Expressions of a mask: what they mean, and that nothing but comparisons is one."""

from contextlib import suppress

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from fringefleet.errors import OptionError
from fringefleet.io.writers.expressions import maps_in, parse_rule
from fringefleet.status import Status

COHERENCE = np.array([[0.7, 0.2, np.nan, 0.95]], np.float32)
COUNT = np.array([[10, 3, 0, 7]], np.uint32)
STATUS = np.array([[Status.OK, Status.LINEAR, Status.TOO_FEW_PAIRS, Status.REFERENCE_POINT]], np.uint8)
FLAGS = {"flag_values": [int(status) for status in Status], "flag_meanings": Status.meanings()}
RESULT = xr.Dataset(
    {
        "temporal_coherence": (("y", "x"), COHERENCE),
        "pair_count": (("y", "x"), COUNT),
        "status": (("y", "x"), STATUS, FLAGS),
        "displacement": (("date", "y", "x"), COHERENCE[None]),
    }
)
MAPS = {name: RESULT[name].values for name in maps_in(RESULT)}


def kept(text):
    return parse_rule(text, RESULT)(MAPS)[0].tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("temporal_coherence > 0.7", [False, False, False, True]),
        ("temporal_coherence >= 0.7", [True, False, False, True]),  # 0.7 in the precision of the map
        ("0.1 < temporal_coherence <= 0.7", [True, True, False, False]),
        ("temporal_coherence != 0.2", [True, False, False, True]),  # NaN is no value, and fulfils nothing
        ("temporal_coherence < 1 or temporal_coherence >= -1", [True, True, False, True]),
        ("status == ok", [True, False, False, False]),
        ("OK == status", [True, False, False, False]),
        ("status == 'ok' or status == \"linear\"", [True, True, False, False]),
        ("status != too_few_pairs", [True, True, False, True]),
        ("status == 5", [False, False, False, True]),
        ("status == ok or status == linear and pair_count > 5", [True, False, False, False]),
        ("(status == ok or status == linear) and pair_count < 5", [False, True, False, False]),
        ("pair_count >= 3 and pair_count <= 7", [False, True, False, True]),
        ("pair_count > -1", [True, True, True, True]),
        ("pair_count > 2.5e0", [True, True, False, True]),
        ("temporal_coherence < pair_count", [True, True, False, True]),
        ("  pair_count == 300000000000  ", [False, False, False, False]),
    ],
)
def test_pixels_are_kept_where_the_comparisons_hold(text, expected):
    assert kept(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "which is no expression"),
        ("temporal_coherence >", "which is no expression"),
        ("temporal_coherence", "which is no comparison"),
        ("not status == ok", "which is no comparison"),
        ("temporal_coherence > 0.5 & pair_count > 3", "neither a map nor a number"),
        ("temporal_coherence > 0.5 + 0.1", "neither a map nor a number"),
        ("temporal_coherence > True", "neither a map nor a number"),
        ("status in (0, 1)", "another sign than"),
        ("1 < 2", "which compares no map"),
        (
            "coherence > 0.5",
            "and no map coherence in the result.*There are temporal_coherence, pair_count, status",
        ),
        (
            "temporal_coherense > 0.5",
            "no map temporal_coherense in the result. Did you mean temporal_coherence",
        ),
        ("displacement > 0.5", "displacement has more than one value for a pixel"),
        ("pair_count == ok", "no map ok in the result"),
        ("status == okay", "okay is no status.* There are ok, minimum_norm"),
        ("status > ok", r"words have no order\. Compare them by =="),
        ("temporal_coherence > pair_count > coherence", "no map coherence"),
        ("__import__('os').system('true')", "which is no comparison"),
        ("temporal_coherence.real > 1", "which compares no map"),
        ("pair_count > (lambda: 1)()", "neither a map nor a number"),
        ("pair_count > 1 if status else 0", "which is no comparison"),
        ("(x := pair_count) > 1", "which compares no map"),
        ("pair_count > 1; import os", "which is no expression"),
        ("(" * 900 + "pair_count > 1" + ")" * 900, "which is no expression"),
        ("pair_count > 1 and " * 400 + "pair_count > 1", "which is no"),
        ("pair_count > 1\0", "which is no expression"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text, message):
    with pytest.raises(OptionError, match=message):
        parse_rule(text, RESULT)


def test_a_rule_knows_its_maps():
    rule = parse_rule("status == ok and (temporal_coherence > 0.5 or status == linear)", RESULT)
    assert rule.names == ("status", "temporal_coherence")


LEAVES = st.sampled_from(
    [
        "temporal_coherence > 0.3",
        "0.1 <= temporal_coherence",
        "pair_count < 8",
        "status != ok",
        "status == linear",
    ]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
        lambda t: f"({t[0]}) {t[1]} ({t[2]})"
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_and_and_or_bind_as_in_python(text):
    def one(index):
        values = {name: values[0, index].item() for name, values in MAPS.items()}
        words = {status.name.lower(): int(status) for status in Status}
        return eval(text, {"__builtins__": {}}, values | words)

    known = ~np.isnan(COHERENCE[0])
    assert [k for k, ok in zip(kept(text), known, strict=True) if ok] == [
        one(i) for i in range(4) if known[i]
    ]


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="abs()[].0123 <>=!andor_temporal_coherence'\"", max_size=40))
def test_any_text_is_a_rule_or_an_error_of_ours(text):
    with suppress(OptionError):
        parse_rule(text, RESULT)
