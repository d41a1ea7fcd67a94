"""The table of options that need others: every row is checked, and every option has its place in it."""

from dataclasses import fields, replace
from typing import get_args

import numpy as np
import pytest

from fringefleet.arguments import needs
from fringefleet.arguments.declaration import needs_of
from fringefleet.arguments.needs import CLUSTER
from fringefleet.choices import MaskDataset
from fringefleet.cluster import ClusterOptions
from fringefleet.cluster import options as cluster_options
from fringefleet.errors import OptionError
from fringefleet.execution.setting import Setting, check_setting
from fringefleet.options import Options

PARTS = {
    "Options": (Options, needs_of(Options)),
    "Setting": (Setting, needs_of(Setting)),
    "ClusterOptions": (ClusterOptions, CLUSTER),
}
OFFSET = Options("range_offset")
WITH_THRESHOLD = ("coherence", "offset_snr", "range_offset_std", "azimuth_offset_std")

# An option without effect: values of it and of others, and what the message has to say it needs.
IDLE_OPTIONS = [
    ({"mask_threshold": 0.5}, "mask_dataset = coherence, offset_snr, range_offset_std or azimuth_offset_std"),
    ({"mask_threshold": 0.5, "mask_dataset": "connected_component"}, "mask_dataset = coherence"),
    ({"norm": "huber", "solver": "dense"}, "solver = auto, compiled, elimination or fused"),
    ({"huber_threshold": 2.0}, "norm = huber"),
    ({"huber_threshold": 2.0, "norm": "l1"}, "norm = huber"),
    ({"max_iterations": 5}, "norm = l1 or huber"),
    ({"min_norm": "phase", "gap_rule": "linear"}, "gap_rule = minimum-norm"),
    ({"min_norm": "phase", "gap_rule": "none"}, "gap_rule = minimum-norm"),
    ({"std": True, "norm": "l1"}, "norm = l2 or huber (the weights of the last round"),
    ({"covariance": True, "norm": "l1"}, "norm = l2 or huber (the weights of the last round"),
    (
        {"std": True, "solver": "dense"},
        "solver = auto, compiled, elimination or fused (the dense one is there",
    ),
    (
        {"covariance": True, "solver": "dense"},
        "solver = auto, compiled, elimination or fused (the dense one is there",
    ),
    ({"diagnose": True, "observation": "range_offset"}, "observation = unwrapped_phase"),
    ({"dem_error": True, "observation": "azimuth_offset"}, "observation = unwrapped_phase"),
    ({"polynomial_order": 1}, "dem_error = True"),
    ({"atmosphere_std": 2.0}, "dem_error = True"),
    ({"polynomial": 2}, "velocity = True"),
    *(({name: "20180401"}, "velocity = True") for name in ("step", "polyline")),
    *(({name: "20180401 60"}, "velocity = True") for name in ("exponential", "logarithmic")),
    ({"periodic": 1}, "velocity = True"),
    ({"uncertainty": "none"}, "velocity = True"),
    ({"velocity": True, "uncertainty": "covariance", "norm": "l1"}, "norm = l2 or huber (the weights of"),
    (
        {"velocity": True, "uncertainty": "covariance", "solver": "dense"},
        "solver = auto, compiled, elimination",
    ),
    ({"solver": "compiled", "device": "cuda"}, "device = cpu"),
    ({"solver": "fused"}, "device = cuda"),
    ({"gpu_chunk_size": 1000}, "device = cuda"),
]
IDLE_SETTINGS = [
    ({"reference_point": (1, 2), "skip_reference": True}, Options(), "skip_reference = False"),
    ({"reference": "auto", "skip_reference": True}, Options(), "skip_reference = False"),
    ({"reference_lalo": (19.0, -99.0), "skip_reference": True}, Options(), "skip_reference = False"),
    ({"reference_window": 3, "skip_reference": True}, Options(), "skip_reference = False"),
    ({"drop_unreferenced": True, "skip_reference": True}, Options(), "skip_reference = False"),
    ({"wavelength": 0.056}, OFFSET, "observation = unwrapped_phase"),
    ({"looks": 9}, OFFSET, "observation = unwrapped_phase"),
    ({"looks": 9}, Options(weight_func="coh"), "weight_func = var or fim"),
    ({"looks": 9}, Options(weight_func="no"), "weight_func = var or fim"),
    ({"geometry": "geometryRadar.h5"}, Options(), "dem_error = True"),
    ({"geometry": np.ones((2, 2))}, Options(), "dem_error = True"),
]
RUNNING = [{"cluster": "current"}, {"cluster": "tcp://h:1"}, {"cluster": "s.json"}]
IDLE_WORKERS = [
    *(({"worker_memory": "1GB"} | running, "cluster = local, local-cuda or slurm") for running in RUNNING),
    *(({"interface": "ib0"} | running, "cluster = local, local-cuda or slurm") for running in RUNNING),
    *(({"dashboard": True} | running, "cluster = local, local-cuda or slurm") for running in RUNNING),
    *(({"options": {"name": "x"}} | running, "cluster = local, local-cuda or slurm") for running in RUNNING),
    ({"tls": True, "cluster": "current"}, "cluster = local, local-cuda or slurm, or an address"),
    *(
        ({name: "x.pem", "cluster": kind}, "cluster = tls://HOST:PORT")
        for name in needs.CERTIFICATES
        for kind in (None, "local", "local-cuda", "slurm", "current")
    ),
    *(
        (values | {"n_worker": 0, "cluster": kind}, "n_worker = 1 or more")
        for kind in (None, "local")
        for values in (
            {"worker_memory": "1GB"},
            {"interface": "ib0"},
            {"dashboard": True},
            {"options": {"name": "x"}},
            {"tls": False},
            {"share_gpu": True, "device": "cuda"},
            {"wait_seconds": 5},
        )
    ),
    *(({"share_gpu": True, "cluster": kind}, "device = cuda") for kind in (None, "local", "tcp://h:1")),
]


@pytest.fixture(autouse=True)
def _no_interpreter(monkeypatch):
    """Triton's interpreter, with which the tests of the kernel run it on a CPU, is not asked for."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)


@pytest.mark.parametrize("kind", PARTS)
def test_every_row_speaks_of_options_that_there_are(kind):
    known = {field.name for klass in (Options, Setting, ClusterOptions) for field in fields(klass)}
    assert {need.other for need in PARTS[kind][1]} <= known


def test_every_row_of_the_table_is_tried_below():
    tried = {
        "Options": [(set(said), message) for said, message in IDLE_OPTIONS],
        "Setting": [(set(said), message) for said, _, message in IDLE_SETTINGS],
        "ClusterOptions": [(set(said), message) for said, message in IDLE_WORKERS],
    }
    for kind, (_, rows) in PARTS.items():
        for need in rows:
            assert any(
                need.option in names and message.startswith(f"{need.other} = {need.wanted}"[:20])
                for names, message in tried[kind]
            ), (kind, need.option, need.other)


@pytest.mark.parametrize(("said", "message"), IDLE_OPTIONS)
def test_an_option_of_the_inversion_without_effect_is_refused_with_what_it_needs(said, message):
    with pytest.raises(OptionError, match="which has an effect only with") as refused:
        Options(**said)
    assert message in str(refused.value)


@pytest.mark.parametrize(("said", "options", "message"), IDLE_SETTINGS)
def test_a_setting_without_effect_is_refused_with_what_it_needs(said, options, message):
    with pytest.raises(OptionError, match="which has an effect only with") as refused:
        check_setting(Setting(**said), options)
    assert message in str(refused.value)


@pytest.mark.parametrize(("said", "message"), IDLE_WORKERS)
def test_an_option_of_workers_without_effect_is_refused_with_what_it_needs(said, message):
    with pytest.raises(OptionError, match="which has an effect only with") as refused:
        ClusterOptions(**said)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "said",
    [
        *({"mask_threshold": 0.5, "mask_dataset": mask} for mask in WITH_THRESHOLD),
        {"norm": "huber", "huber_threshold": 2.0, "max_iterations": 5},
        {"norm": "l1", "max_iterations": 5},
        {"dem_error": True, "polynomial_order": 1, "atmosphere_std": 2.0},
        {"device": "cuda", "gpu_chunk_size": 9, "solver": "fused"},
        {"mask_threshold": 0.4, "huber_threshold": 1.345},  # defaults cannot be told from what nobody gave
    ],
)
def test_an_option_that_has_what_it_needs_is_taken(said):
    assert replace(Options(**said)) == Options(**said)


def test_the_masks_with_and_without_a_threshold_are_all_the_masks():
    assert {*WITH_THRESHOLD, "connected_component"} == set(get_args(MaskDataset))


def test_the_kinds_of_a_cluster_are_those_that_the_table_knows():
    assert {*needs.STARTED_KINDS, *needs.RUNNING_KINDS, "current"} == set(
        get_args(cluster_options.ClusterKind)
    )


def test_all_that_has_no_effect_is_said_at_once():
    with pytest.raises(OptionError) as refused:
        Options(mask_threshold=0.5, huber_threshold=2.0, gpu_chunk_size=7)
    for name in ("mask_threshold = 0.5", "huber_threshold = 2.0", "gpu_chunk_size = 7", "leave them out"):
        assert name in str(refused.value)


def test_the_fused_solver_may_run_in_the_interpreter_of_triton(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert Options(solver="fused").device == "cpu"
