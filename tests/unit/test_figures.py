"""Every figure that a document claims to be measured is in a result file, and the same there."""

import json
import re
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import pytest

from documents import FOR_USERS, TOP

RESULTS = TOP / "tests" / "benchmarks" / "results"
NUMBER = r"(\d[\d.,]*(?:e-?\d+)?\d|\d)"
WORD = r"\b(?:half an?|half|two|three|four|five|six|seven|eight|nine|ten)"
UNIT = (
    r"times|-?fold|seconds?|ms|minutes?|hours?|[kMGT]i?B(?:/s)?|bytes|[kM]px(?:/s)?|"
    r"pixels (?:per|a) (?:CPU )?second|million|%|[um]m|rad|decades"
)
MEASURABLE = re.compile(
    rf"(?<![\w.`])(?:{NUMBER}|{WORD})(?: (?:to|or) (?:{NUMBER}|{WORD}))?[ -]?(?:{UNIT})(?!\w)"
    r"|\b(?:twice|thrice|a million)\b"
)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
DOCUMENTS = (*FOR_USERS, "deploy/README.md", "tests/parity/README.md")


class Figure(NamedTuple):
    """Words of a document with numbers in it, and where these come from.

    ``text``: with ``#`` for each number. ``values``: what the result file has for them.
    """

    document: str
    text: str
    values: Callable[[], tuple[float, ...]]


def result(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


def speeds():
    """Pixels per second of the fastest solver over those of dense normal equations."""
    networks = result("compiled-cpu")["networks"]
    found = []
    for name in ("98 dates, 288 pairs", "333 dates, 1322 pairs", "30 dates, all 435 pairs"):
        solvers = networks[name]["2 % missing"]["solver"]
        fastest = max(solvers["of"], key=lambda solver: solvers["of"][solver]["kpx_per_cpu_second"])
        found.append(solvers["ratios"][f"{fastest} / dense"])
    return tuple(found)


def over_mintpy():
    """Pixels per CPU second of ``invert`` over those of MintPy."""
    programs = result("mintpy-cpu")["programs"]
    return tuple(programs[name]["times_mintpy"] for name in ("invert, HDF5", "invert, Zarr"))


def galapagos():
    found = result("galapagos-cpu")
    return found["n_pixel"] / 1e6, found["n_pair"], found["input_gb"], found["seconds_command"]


def whole_scene():
    found = result("whole-run-cpu")
    peaks = [peak for run in found["runs"] for peak in run["peak_mb"]]
    assert 1e6 <= found["n_pixel"] < 1.05e6
    return found["n_pair"], found["seconds_command"], max(peaks) / 1000


def export_cost():
    """Seconds of an export as GeoTIFFs, and the most memory [MB]."""
    found = result("export-cpu")
    assert (found["n_date"], found["shape"]) == (98, [1000, 1000])
    cog = found["formats"]["cog"]
    return min(cog["seconds"]), max(cog["seconds"]), max(cog["peak_mb"])


def opening_times():
    """Time of the map of a date [s], and of the series of a pixel [ms]."""
    found = result("opening-cpu")
    assert found["scene"]["shape"] == [1000, 1000]
    seconds = found["seconds"]
    return seconds["map of one date"]["median"], 1000 * seconds["series of one pixel"]["median"]


def cost_of_velocity():
    """How much longer an inversion takes with a fit [%]: errors from residuals, and from the covariance."""
    more = result("velocity-cpu")["in_pass"]["percent_more"]
    return more["residual"], more["covariance"]


def robust_times():
    return tuple(sorted(result("robust-cpu")["seconds_over_l2"].values()))


def robust_gains():
    found = result("robust-cpu")["rms_error_over_l2_without_errors"]
    return tuple(limit(found[norm]) for norm in ("l2", "l1", "huber") for limit in (min, max))


def huber_distances():
    few, many = (
        case for case in result("robust-cpu")["huber_from_exact_minimum"] if case["share_a_cycle_off"] > 0
    )
    shares = (100 * case["share_a_cycle_off"] for case in (few, many))
    return next(shares), few["median_rad"], few["max_rad"], next(shares), many["max_rad"]


def robust_scenes():
    found = result("robust-cpu")
    return 100 * found["share_of_pairs_a_cycle_off"], *robust_gains()


def displacements(codec):
    """Records of a displacement that keeps all its bits, of each scene."""
    packed = result("codecs-cpu")["packed"].values()
    return [packed_displacement(scene, codec, None) for scene in packed]


def packed_displacement(scene, codec, bits):
    wanted = ("displacement", codec, "shuffle", bits)
    names = ("variable", "codec", "shuffle", "bits")
    (found,) = (record for record in scene if tuple(record[name] for name in names) == wanted)
    return found


def bytes_saved():
    """Per cent that 15 bits save of what all bits take, in the middle of the scenes."""
    scenes = result("codecs-cpu")["packed"].values()
    ratios = [[packed_displacement(scene, "lz4 5", bits)["ratio"] for bits in (None, 15)] for scene in scenes]
    return (median(100 * (1 - all_bits / kept) for all_bits, kept in ratios),)


def cost_of_worker():
    """CPU-seconds that a run with one worker takes more than one in threads, at the most likely."""
    found = result("small-cpu")["stack of MintPy"]
    with_one, without = (found[name]["cpu_seconds"]["median"] for name in ("invert --workers 1", "invert"))
    return (with_one - without,)


def other_codecs():
    """Room that Zstandard saves [%], and the time that it and LZ4HC take over LZ4's, least and most."""
    ours, zstd, lz4hc = map(displacements, ("lz4 5", "zstd 1", "lz4hc 5"))
    saved = [100 * (1 - a["ratio"] / b["ratio"]) for a, b in zip(ours, zstd, strict=True)]
    slower = (
        [a["compress"] / b["compress"] for a, b in zip(ours, other, strict=True)] for other in (zstd, lz4hc)
    )
    return tuple(limit(values) for values in (saved, *slower) for limit in (min, max))


def closing_seconds():
    commands = result("startup-cpu")["commands"].values()
    return (max(found["this"].get("closing_seconds", 0) for found in commands),)


FIGURES = (
    Figure(
        "docs/performance.md",
        "# times the pixels per second of dense normal equations with Cholesky at 98 dates and 288 pairs, # "
        "times at 333 dates, # times with all pairs of 30 dates",
        speeds,
    ),
    Figure(
        "docs/performance.md", "a million pixels of # pairs in # seconds on two cores, with # GB", whole_scene
    ),
    Figure(
        "README.md",
        "# times the pixels per CPU second of MintPy's `ifgram_inversion.py` on the same HDF5 file, # times "
        "on Zarr",
        over_mintpy,
    ),
    Figure("docs/performance.md", "# Mpx of # pairs, # GB, in # seconds", galapagos),
    Figure("docs/options.md", "They take # to # times as long", robust_times),
    Figure("docs/reference/options.md", "and take # to # times as long", robust_times),
    Figure("src/fringefleet/options.py", "take # to # times as long", robust_times),
    Figure(
        "docs/options.md",
        "with # % of the pairs a cycle off somewhere, the RMS error of `l2` is # to # times that of the "
        "scene without these errors, of `l1` # to # times, of `huber` # to # times",
        robust_scenes,
    ),
    Figure(
        "docs/options.md",
        "with # % of the observations a cycle off the series of `huber` is # rad from the exact minimum at "
        "the median pixel and at most # rad; with # % of them at most # rad",
        huber_distances,
    ),
    Figure("docs/results.md", "about # % fewer bytes", bytes_saved),
    Figure(
        "docs/export.md",
        "98 dates of a million pixels take # to # s as GeoTIFFs, and at most # MB",
        export_cost,
    ),
    Figure(
        "docs/results.md",
        "98 dates and a million pixels, the map of one date is read in # s and the series of a pixel in # ms",
        opening_times,
    ),
    Figure(
        "docs/velocity.md",
        "takes # % more time than the inversion alone, and # % with `--uncertainty covariance`",
        cost_of_velocity,
    ),
    Figure(
        "src/fringefleet/io/store/result.py",
        "Zstandard 1 takes # to # % less space and # to # times the time, LZ4HC # to # times",
        other_codecs,
    ),
    Figure("src/fringefleet/execution/effort.py", "small-cpu.json, # of them", cost_of_worker),
    Figure("src/fringefleet/execution/overhead.py", "startup-cpu.json, #", closing_seconds),
)
# Settings, rules and formats, which are so whatever the machine; and bounds that other tests hold.
NOT_MEASURED = {
    "docs/results.md": [
        "to 1e-5 rad (or 4e-7 of the largest phase",
        "at more than 1 % of a pair's pixels",
        "some nine decades",
        "2^-16, 4 um on 0.25 m; 12 bits: 2^-13, 0.03 mm on 0.25 m",
    ],
    "docs/options.md": [
        "x 4 bytes a pixel",
        "ends within 1 % of the smallest sum",
        "up to five times the threshold",
    ],
    "docs/reference/options.md": [
        "x 4 bytes a pixel",
        "an equal share of this machine; 4GB in Slurm",
        "such as 8GB",
        "5 minutes; 30 s for a running scheduler",
        "cost 15 um per metre",  # half of the last of 15 bits
    ],
    "docs/workers.md": ["for 5 minutes ends", "every 20 seconds", "at most 160 MB"],
    "docs/failures.md": [
        "after half a second and then after longer pauses, twice unless",
        "2 minutes after its last heartbeat",
        "marks of the last half-minute or so",
        "within the last half-minute should be made again",
    ],
    "deploy/README.md": [
        "more than three times",
        "at 85 % of the walltime, give or take 10 %",
        "20 times as many as run at once",
        "to 16 MB",
    ],
    "tests/parity/README.md": [
        "5e-3 mm",
        "within 1e-5 rad of it",
        "of up to 97 | float32 noise, some ten times what was measured",
    ],
}


def words_of(document):
    """The text of a document on one line, so that a figure may be broken anywhere; so may text in Python."""
    text = re.sub(r"\s+", " ", (TOP / document).read_text())
    return text.replace('" "', "") if document.endswith(".py") else text


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


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_document_has_a_figure_that_no_result_file_backs(document):
    text = words_of(document)
    for figure in FIGURES:
        if figure.document == document:
            text = pattern_of(figure).sub("", text)
    for phrase in NOT_MEASURED.get(document, []):
        assert phrase in text
        text = text.replace(phrase, "")
    assert [found.group() for found in MEASURABLE.finditer(CODE.sub("", text))] == []


@pytest.mark.parametrize(
    "claim",
    [
        "3.5 times",
        "2 to 4 % less",
        "80 kpx/s",
        "60,600 pixels per CPU second",
        "half a minute",
        "three to five minutes",
        "twice as fast",
        "0.9 GB",
        "a million pixels",
        "22 seconds",
        "6.1 GB/s",
        "1e-6 rad",
    ],
)
def test_a_claim_in_any_of_these_words_is_found(claim):
    assert MEASURABLE.search(f"It does {claim} there.")


def test_every_source_that_names_a_result_file_is_held_against_it():
    naming = {
        str(path.relative_to(TOP))
        for path in (TOP / "src").rglob("*.py")
        if "benchmarks/results/" in path.read_text()
    }
    assert naming
    assert naming <= {figure.document for figure in FIGURES}


@pytest.mark.parametrize("document", [*DOCUMENTS, "CHANGELOG.md"])
def test_every_result_file_that_is_named_is_there(document):
    for name in re.findall(r"benchmarks/results/([\w.-]+)", (TOP / document).read_text()):
        assert (RESULTS / name).is_file(), name


def test_every_result_file_is_made_by_a_script():
    scripts = " ".join(path.read_text() for path in RESULTS.parent.glob("*.py"))
    orphans = {path.name for path in RESULTS.glob("*.json") if path.name not in scripts}
    assert not orphans


def test_every_result_file_says_where_and_of_what_it_was_measured():
    for path in RESULTS.glob("*.json"):
        found = json.loads(path.read_text())
        for record in found if isinstance(found, list) else [found]:
            for key in ("machine", "commit", "date"):
                assert record.get(key), f"{path.name} has no {key}"
            assert "torch" in record or "torch" in record["versions"], path.name
