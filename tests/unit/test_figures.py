"""Every figure that a document claims to be measured is in a result file, and the same there."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

TOP = Path(__file__).parents[2]
RESULTS = TOP / "tests" / "benchmarks" / "results"
NUMBER = r"(\d[\d.,]*(?:e-?\d+)?\d|\d)"
MEASURABLE = re.compile(
    rf"(?<![\w.`]){NUMBER}(?: to {NUMBER})? ?(times|seconds|ms|MB|GB|[kM]px/s|pixels per second|million)\b"
)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


class Figure(NamedTuple):
    """Words of a document with numbers in it, and where these come from.

    ``text``: with ``#`` for each number. ``values``: what the result file has for them.
    """

    document: str
    text: str
    values: Callable[[], tuple[float, ...]]


def result(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


def ratio_to_dense(network):
    """Pixels per second of the elimination over those of dense normal equations."""
    return next(r for r in result("solver-cpu") if (r["solver"], r["network"]) == ("elimination", network))[
        "ratio_to_dense"
    ]


def speeds():
    names = ("98 dates, 3 neighbours", "333 dates, 4 neighbours", "30 dates, all pairs")
    return tuple(map(ratio_to_dense, names))


def whole_scene():
    found = result("scene-cpu")
    gigabytes = max(found["peak_mb_per_worker"]) / 1000
    assert found["n_pixel"] == 1e6
    return found["n_pair"], found["seconds_invert"], gigabytes


def robust_times():
    return tuple(sorted(result("robust-cpu")["seconds_over_l2"].values()))


def robust_gains():
    found = result("robust-cpu")["rms_error_over_l2_without_errors"]
    return tuple(limit(found[norm]) for norm in ("l2", "l1", "huber") for limit in (min, max))


def huber_distances():
    cases = {case["share_a_cycle_off"]: case for case in result("robust-cpu")["huber_from_exact_minimum"]}
    return cases[0.01]["median_rad"], cases[0.01]["max_rad"], cases[0.05]["max_rad"]


FIGURES = (
    Figure(
        "README.md",
        "# times the pixels per second of dense normal equations with Cholesky at 98 dates and 288 pairs, # "
        "times at 333 dates, # times with all pairs of 30 dates",
        speeds,
    ),
    Figure("README.md", "a million pixels of # pairs in # seconds on two cores, with # GB", whole_scene),
    Figure("README.md", "They take # to # times as long", robust_times),
    Figure(
        "README.md",
        "of `l2` is # to # times that of the scene without these errors, of `l1` # to # times, of `huber` "
        "# to # times",
        robust_gains,
    ),
    Figure(
        "README.md",
        "# rad from the exact minimum at the median pixel and at most # rad; with 5 % of them at most # rad",
        huber_distances,
    ),
)
NOT_MEASURED = {  # settings, rules and formats: what is written is so, whatever the machine
    "README.md": ["every 20 seconds"],
    "deploy/README.md": ["take at most 160 MB", "20 times as many as there are at once", "to 16 MB"],
}


def words_of(document):
    """The text of a document on one line, so that a figure may be broken anywhere."""
    return re.sub(r"\s+", " ", (TOP / document).read_text())


def pattern_of(figure):
    return re.compile(re.escape(figure.text).replace(r"\#", NUMBER).replace(r"\ ", " "))


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.text[:40])
def test_a_figure_is_that_of_its_result_file(figure):
    found = pattern_of(figure).search(words_of(figure.document))
    assert found, f"{figure.document} does not say: {figure.text}"
    for shown, value in zip(found.groups(), figure.values(), strict=True):
        mantissa, _, exponent = shown.partition("e")
        decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
        assert abs(float(shown) - value) <= 0.5000001 * 10**-decimals, (shown, value)


@pytest.mark.parametrize("document", ["README.md", "deploy/README.md"])
def test_no_document_has_a_figure_that_no_result_file_backs(document):
    text = words_of(document)
    for figure in FIGURES:
        if figure.document == document:
            text = pattern_of(figure).sub("", text)
    for phrase in NOT_MEASURED.get(document, []):
        assert phrase in text
        text = text.replace(phrase, "")
    assert [found.group() for found in MEASURABLE.finditer(CODE.sub("", text))] == []


def test_every_result_file_says_where_and_of_what_it_was_measured():
    for path in RESULTS.glob("*.json"):
        found = json.loads(path.read_text())
        for record in found if isinstance(found, list) else [found]:
            for key in ("machine", "commit", "date"):
                assert record.get(key), f"{path.name} has no {key}"
            assert "torch" in record or "torch" in record["versions"], path.name
