import pytest
import torch

from fringefleet.engine import device as devices
from fringefleet.errors import DeviceError, InputError


def test_the_cpu_is_always_there():
    assert devices.select("cpu") == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_without_a_gpu_is_one_clear_error_and_never_the_cpu():
    with pytest.raises(DeviceError, match=r"torch .*device = cuda needs .*choose device = cpu\.") as caught:
        devices.select("cuda")
    assert isinstance(caught.value, InputError)


def test_a_build_without_cuda_says_so(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(DeviceError, match=r"a build without CUDA; .* Install one, or choose device = cpu"):
        devices.select("cuda")


def test_a_cuda_build_without_device_points_at_the_driver(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"finds no CUDA device on this machine; .*CUDA_VISIBLE_DEVICES"):
        devices.select("cuda")


def test_a_worker_takes_the_first_gpu_that_it_sees(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.select("cuda") == torch.device("cuda:0")


@pytest.mark.gpu
def test_a_gpu_has_free_bytes():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    device = devices.select("cuda")
    assert 0 < devices.free_bytes(device) <= torch.cuda.get_device_properties(device).total_memory


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("name", "inside"), [("cpu", 1), ("cuda", 2)])
def test_torch_has_one_thread_inside_and_as_many_as_before_outside(name, inside):
    with devices.one_thread(torch.device(name)):
        assert torch.get_num_threads() == inside
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_an_error_inside_gives_the_threads_back():
    with pytest.raises(KeyError, match="inside"):
        _fail_in_one_thread()
    assert torch.get_num_threads() == 2


def _fail_in_one_thread():
    with devices.one_thread(torch.device("cpu")):
        raise KeyError("inside")
