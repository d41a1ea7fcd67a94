"""Workers that are not fit are refused, and the message says which and why."""

import pytest

from fringefleet.cluster.connection import check_gpus_are_not_shared, check_versions
from fringefleet.errors import DeviceError, InputError
from fringefleet.processes.worker_info import check_answers

VERSIONS = {
    "python": "3.11.2.final.0",
    "fringefleet": "0.1.0",
    "torch": "2.13.0+cpu",
    "numpy": "2.4.6",
    "xarray": "2026.9.0",
    "zarr": "3.1.6",
    "dask": "2026.7.1",
    "distributed": "2026.7.1",
}


def process(node="n1", **other):
    return {"host": {"node": node}, "packages": VERSIONS | other}


def record(worker, gpu, host="n1", visible="0"):
    return {
        "host": host,
        "pid": 7,
        "worker": worker,
        "address": f"tcp://{host}:{worker}",
        "cuda_visible_devices": visible,
        "gpu": gpu,
        "gpu_name": "H100",
        "gpu_peak_bytes": 0,
    }


def test_workers_with_the_same_software_pass_whatever_build_their_torch_is():
    others = {"scheduler": process(), "tcp://a:1": process(torch="2.13.0+cu130", python="3.11.9.final.0")}
    check_versions(process(), others)


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"fringefleet": "0.2.0"}, "fringefleet 0.2.0"),
        ({"fringefleet": None}, "fringefleet none"),
        ({"torch": "2.12.0"}, "torch 2.12.0"),
        ({"numpy": "1.26.4"}, "numpy 1.26.4"),
        ({"zarr": None}, "zarr none"),
        ({"python": "3.12.1.final.0"}, "python 3.12"),
    ],
)
def test_a_worker_with_other_software_is_named_with_what_it_has(other, found):
    theirs = {"scheduler": process(), "tcp://a:1": process(), "tcp://b:2": process(**other)}
    with pytest.raises(InputError) as caught:
        check_versions(process(), theirs)
    package = found.split()[0]
    ours = {"python": "3.11", "torch": "2.13.0"}.get(package, VERSIONS[package])
    said = f"on 1 of 3 processes of the cluster: worker tcp://b:2 on n1 has {found} instead of {ours}. Start"
    assert said in str(caught.value)
    assert "tcp://a:1" not in str(caught.value)


def test_a_scheduler_without_the_package_is_named_too():
    theirs = {"scheduler": process(fringefleet=None), "tcp://a:1": process()}
    with pytest.raises(InputError, match=r"1 of 2 .*: scheduler has fringefleet none"):
        check_versions(process(), theirs)


def test_two_workers_on_one_gpu_are_named_whatever_number_they_know_it_by():
    shared = [record("a", "GPU-1", visible="0"), record("b", "GPU-1", visible="3,0"), record("c", "GPU-2")]
    with pytest.raises(DeviceError) as caught:
        check_gpus_are_not_shared(shared)
    text = str(caught.value)
    assert "H100 GPU-1 by workers a on n1 (pid 7, CUDA_VISIBLE_DEVICES=0), b on n1 (pid 7, " in text
    assert "GPU-2" not in text
    assert "share_gpu = True" in text


def test_jobs_that_all_call_their_gpu_0_do_not_share_one():
    check_gpus_are_not_shared([record("a", "GPU-1"), record("b", "GPU-2"), record("c", "GPU-3", host="n2")])


def test_containers_that_share_a_gpu_are_found_although_each_has_a_host_name_of_its_own():
    with pytest.raises(DeviceError, match=r"H100 GPU-1 by workers a on box-1 \(.*\), b on box-2 \("):
        check_gpus_are_not_shared([record("a", "GPU-1", host="box-1"), record("b", "GPU-1", host="box-2")])


def test_workers_without_a_gpu_are_named_with_what_the_first_says():
    answers = {"tcp://a:1": record("a", "GPU-1"), "tcp://b:2": DeviceError("no CUDA"), "tcp://c:3": OSError()}
    with pytest.raises(
        DeviceError, match=r"2 of 3 workers .*: tcp://b:2, tcp://c:3; .* DeviceError: no CUDA"
    ):
        check_answers(answers, "cuda")
    assert check_answers({"a": answers["tcp://a:1"]}, "cuda") == [record("a", "GPU-1")]
