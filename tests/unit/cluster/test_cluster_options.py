"""What workers are wanted: which values there may be, and from which files."""

import json
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import get_args

import pytest
from distributed import Nanny, Scheduler, Security, Worker

from fringefleet.arguments.known import known_keywords
from fringefleet.cluster import ClusterOptions
from fringefleet.cluster.config import LOADS_CODE, read_cluster_config
from fringefleet.cluster.connection import expect_workers, resolve
from fringefleet.cluster.existing import read_scheduler_file
from fringefleet.cluster.options import ClusterKind, cluster_options
from fringefleet.cluster.security import private_folder, running_security
from fringefleet.errors import InputError, OptionError

KINDS = {
    "default": None,
    "local": "local",
    "local-cuda": "local-cuda",
    "slurm": "slurm",
    "current": "current",
    "address": "tls://127.0.0.1:8786",
    "file": "run/scheduler.json",
}


def write(path, text):
    path.write_text(text)
    return path


# --- values -----------------------------------------------------------------------------------------------


def test_every_kind_of_cluster_is_told_from_how_it_is_named():
    assert {kind: ClusterOptions(name).kind for kind, name in KINDS.items()} == {kind: kind for kind in KINDS}
    assert set(KINDS) == set(get_args(ClusterKind))
    assert [kind for kind, name in KINDS.items() if ClusterOptions(name).is_started] == [
        "local",
        "local-cuda",
        "slurm",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cluster": "locla"}, "'locla'. Did you mean local"),
        ({"cluster": "here"}, "tcp://127.0.0.1:8786"),
        ({"cluster": 8786}, "cluster = 8786 of the type int; give text or a path"),
        ({"n_worker": -1}, "n_worker = -1; give 0 or more"),
        *(
            (
                {"n_worker": 0, "cluster": name},
                "0 workers of .*; give 1 or more. Where threads of this process",
            )
            for kind, name in KINDS.items()
            if kind not in ("default", "local")
        ),
        ({"n_worker": True}, "n_worker = True of the type bool; give a whole number"),
        ({"n_worker": "4"}, "n_worker = '4'"),
        ({"device": "CUDA"}, "device = 'CUDA'; give cpu or cuda"),
        ({"device": None}, "device = None; give cpu or cuda"),
        ({"tls": "yes"}, "tls = 'yes' of the type str; give True or False"),
        ({"worker_memory": "8 apples"}, "worker_memory = '8 apples'"),
        ({"worker_memory": 0}, "worker_memory = 0"),
        ({"worker_memory": ""}, "worker_memory = ''"),
        ({"worker_memory": "GB"}, "worker_memory = 'GB'"),
        ({"worker_memory": "1e400GB"}, "worker_memory = '1e400GB'"),
        ({"wait_seconds": -1}, "wait_seconds = -1"),
        ({"wait_seconds": float("inf")}, "wait_seconds = inf"),
        ({"options": [1]}, "options = .* of the type list; give a dictionary"),
        ({"options": {"n_workers": 3}}, "found n_workers .* give n_worker beside"),
        ({"options": {"security": "x"}}, "found security .* give tls beside"),
        ({"options": {"local_directory": 5}}, "local_directory = 5 of the type int; give text or a path"),
        ({"options": {"CUDA_VISIBLE_DEVICES": 0}}, "CUDA_VISIBLE_DEVICES = 0; give a list of the GPUs"),
        ({"options": {"CUDA_VISIBLE_DEVICES": True}}, "CUDA_VISIBLE_DEVICES = True"),
        ({"options": {"CUDA_VISIBLE_DEVICES": [True]}}, r"CUDA_VISIBLE_DEVICES = \[True\]"),
        ({"options": {"CUDA_VISIBLE_DEVICES": []}}, r"CUDA_VISIBLE_DEVICES = \[\]"),
        ({"options": {"CUDA_VISIBLE_DEVICES": "0,"}}, "CUDA_VISIBLE_DEVICES = '0,'"),
        (
            {"tls_ca": "ca.pem", "tls_cert": "cert.pem"},
            "tls_ca = ca.pem, which has an effect only with cluster = tls://",
        ),
        ({"cluster": "tls://h:1", "tls_ca": "ca.pem"}, "give tls_ca and tls_cert"),
        (
            {"cluster": "tcp://h:1", "interface": "ib0"},
            "found interface = ib0, which has an effect only with cluster = local,",
        ),
        (
            {"cluster": "s.json", "options": {"foo": 1}},
            "found options = dict, which has an effect only with cluster",
        ),
        ({"cluster": "current", "tls": True}, "found tls = True, which has an effect only with cluster = "),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_refused_and_named(given, message):
    with pytest.raises(OptionError, match=message):
        ClusterOptions(**given)


def test_options_cannot_be_changed_and_are_composed_by_name():
    base = ClusterOptions("local", 2, worker_memory="1GB")
    with pytest.raises(FrozenInstanceError):
        base.n_worker = 3
    assert cluster_options(base, tls=True) == replace(base, tls=True)
    assert cluster_options(base, 5) == replace(base, n_worker=5)
    assert cluster_options("slurm", 5, interface="ib0") == ClusterOptions("slurm", 5, interface="ib0")
    with pytest.raises(OptionError, match=r"'memory'\. Did you mean worker_memory"):
        cluster_options("local", memory="1GB")


@pytest.mark.parametrize("name", [field.name for field in fields(ClusterOptions)])
def test_every_field_has_a_type_that_is_checked(name):
    with pytest.raises(OptionError, match=rf"found {name} = 1j(;| of the type complex;) give "):
        ClusterOptions(**{name: 1j})


@pytest.mark.parametrize(("name", "value"), [("device", "CUDA"), ("interface", "")])
def test_a_word_that_means_nothing_is_refused(name, value):
    with pytest.raises(OptionError, match=f"found {name} = '{value}'"):
        ClusterOptions(**{name: value})


def test_gpus_are_named_by_number_or_uuid_and_memory_as_dask_reads_it():
    for gpus in ("0", "0,MIG-1", [0, 3], ["GPU-1", 2]):
        assert ClusterOptions("local-cuda", options={"CUDA_VISIBLE_DEVICES": gpus}).kind == "local-cuda"
    for memory in ("8GB", " 8 GiB", ".5GB", "8e9", "123000000", 123_000_000):
        assert ClusterOptions(worker_memory=memory).worker_memory == memory


def test_a_scheduler_file_may_be_a_path():
    assert ClusterOptions(Path("run/scheduler.json")).kind == "file"
    assert cluster_options(Path("scheduler.json"), 2).kind == "file"


def test_how_many_workers_there_will_be_is_known_before_they_are_there():
    assert expect_workers(ClusterOptions("local", 3)).n_worker == 3
    assert expect_workers(ClusterOptions("local", device="cuda")).n_worker == 1
    assert expect_workers(ClusterOptions("slurm")).n_worker == 1
    assert expect_workers(ClusterOptions("tcp://h:1", 7)).n_worker == 7


def test_where_nothing_is_said_it_is_this_machine():
    assert resolve(ClusterOptions()).cluster == "local"
    assert resolve(ClusterOptions("slurm")) == ClusterOptions("slurm")
    assert resolve(ClusterOptions("local-cuda")).device == "cuda"


# --- files ------------------------------------------------------------------------------------------------


def test_a_toml_table_gives_options_and_passes_on_what_only_dask_knows(tmp_path):
    path = write(
        tmp_path / "gpus.toml",
        """
        [cluster]
        cluster = "local-cuda"
        n_worker = 2
        worker_memory = "32GB"
        share_gpu = true

        [cluster.options]
        CUDA_VISIBLE_DEVICES = [1, 3]
        threads_per_worker = 2
        scheduler_kwargs = { idle_timeout = "1h" }
        """,
    )
    assert cluster_options(**read_cluster_config(path)) == ClusterOptions(
        "local-cuda",
        2,
        worker_memory="32GB",
        share_gpu=True,
        options={
            "CUDA_VISIBLE_DEVICES": [1, 3],
            "threads_per_worker": 2,
            "scheduler_kwargs": {"idle_timeout": "1h"},
        },
    )


def test_certificates_are_looked_for_beside_the_file_that_names_them(tmp_path):
    path = write(
        tmp_path / "c.toml", '[cluster]\ncluster = "tls://h:1"\ntls_ca = "ca.pem"\ntls_cert = "/c.pem"'
    )
    read = read_cluster_config(path)
    assert (read["tls_ca"], str(read["tls_cert"])) == (tmp_path / "ca.pem", "/c.pem")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[clutser]\n", "table of .*'clutser'. Did you mean cluster"),
        ("[cluster]\nworkers = 3", "key of .*'workers'. .*n_worker"),
        ("[cluster]\nn_workers = 3", "Did you mean n_worker"),
        ('[cluster]\ndevice = "cuda"', "unknown key .* 'device'"),
        ("", "no table"),
        ("cluster = 3", "no table"),
        ("not toml at all", "is no TOML file"),
    ],
)
def test_a_key_that_is_not_known_is_refused_with_the_nearest(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_cluster_config(write(tmp_path / "c.toml", text))


@pytest.mark.parametrize("cluster", ["", "cluster = 'local'", "cluster = 'local-cuda'", "cluster = 'slurm'"])
@pytest.mark.parametrize(
    "line",
    [
        "preload = ['{code}']",
        "PRELOAD = ['{code}']",
        "preload_nanny = '{code}'",
        "worker_class = '{code}'",
        "scheduler_cls = 'evil.Scheduler'",
        "job_cls = 'evil.Job'",
        "plugins = ['{code}']",
        "pre_import = '{code}'",
        "extensions = {{ evil = '{code}' }}",
        "executor = '{code}'",
        "data = '{code}'",
        "env = {{ PYTHONPATH = '{code}' }}",
        "config = {{ distributed = {{ worker = {{ preload = '{code}' }} }} }}",
        "scheduler_file = '/home/me/.profile'",
        "worker_kwargs = {{ preload = '{code}' }}",
        "rmm_allocator_external_lib_list = ['{code}']",
    ],
)
def test_a_keyword_that_is_not_known_to_be_data_is_refused_in_a_file(tmp_path, cluster, line):
    code = f"import pathlib; pathlib.Path('{tmp_path}/executed').touch()".replace("'", '"')
    path = write(tmp_path / "c.toml", f"[cluster]\n{cluster}\n[cluster.options]\n" + line.format(code=code))
    with pytest.raises(OptionError, match=rf"found {line.split()[0]} in .* only have .*Others may load code"):
        read_cluster_config(path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("scheduler_kwargs = { jupyter = true }", "found jupyter in scheduler_kwargs in"),
        ("scheduler_options = { preload = 'evil.py' }", "found preload in scheduler_options in"),
        ("scheduler_options = { Plugins = ['evil'] }", "found Plugins in scheduler_options in"),
        ("scheduler_options = { scheduler_file = '.profile' }", "found scheduler_file in scheduler_options"),
        (
            "scheduler_options = { port = { preload = 'x' } }",
            "found scheduler_options.port = {'preload': 'x'}",
        ),
        ("scheduler_options = [{ preload = 'x' }]", "give one value, or a list"),
        ("lists = [{ deep = { preload_argv = 'x' } }]", "found lists = "),
        ("processes = { preload = 'x' }", "found processes = {'preload': 'x'} in"),
        ("death_timeout = [[1]]", r"found death_timeout = \[\[1\]\] in"),
        ("resources = { GPU = [[1]] }", r"found resources.GPU = \[\[1\]\] in"),
    ],
)
def test_tables_within_have_only_what_is_known_to_be_data(tmp_path, line, message):
    with pytest.raises(OptionError, match=message):
        read_cluster_config(write(tmp_path / "c.toml", f"[cluster]\n[cluster.options]\n{line}"))


REVIEWED = """
    CUDA_VISIBLE_DEVICES account allowed_failures config_name contact_address cores cudf_spill_stats
    dashboard dashboard_address death_timeout device_memory_limit enable_cudf_spill
    enable_infiniband enable_nvlink enable_rdmacm enable_tcp_over_ucx extra header_skip
    heartbeat_interval host http_prefix idle_timeout interface ip job_cpu job_directives_skip
    job_extra job_extra_directives job_mem job_name job_script_prologue lifetime lifetime_restart
    lifetime_stagger listen_address local_directory log_directory log_spilling memory memory_limit
    n_workers name nanny needs_workdir nthreads port processes project protocol python queue quiet
    reconnect resources rmm_async rmm_log_directory rmm_managed_memory rmm_maximum_pool_size
    rmm_pool_size rmm_release_threshold rmm_track_allocations scheduler_ip scheduler_kwargs
    scheduler_options scheduler_port scheduler_sni scheduler_sync_interval security shebang
    shutdown_on_close shutdown_scheduler silence_logs start state threads_per_worker timeout
    transition_counter_max validate walltime worker_command worker_dashboard_address
    worker_extra_args worker_port worker_ttl
"""


def test_somebody_has_looked_at_every_keyword_of_the_libraries_that_a_file_may_have():
    jobqueue = pytest.importorskip("dask_jobqueue")
    cuda = pytest.importorskip("dask_cuda", exc_type=ImportError)
    kinds = (cuda.LocalCUDACluster, Nanny, Worker, jobqueue.SLURMCluster, jobqueue.slurm.SLURMJob)
    known = known_keywords(Scheduler, *(part for kind in kinds for part in kind.__mro__))
    assert {name for name in known if not LOADS_CODE.search(name)} <= set(REVIEWED.split())
    assert not LOADS_CODE.search("modules")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "found no scheduler file"),
        (b"\x80\x04\x95cposix\nsystem\n", "is no JSON"),
        (b"address", "is no JSON"),
        (b"[]", "has no address"),
        (b'{"address": 8786}', "has no address"),
        (b'{"address": "$(touch executed)"}', "has no address"),
    ],
)
def test_a_file_that_is_none_of_a_scheduler_is_refused_and_only_read_as_json(tmp_path, content, message):
    path = tmp_path / "scheduler.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_scheduler_file(path)


def test_a_scheduler_file_has_the_address(tmp_path):
    path = write(tmp_path / "s.json", json.dumps({"address": "tcp://10.0.0.1:8786", "type": "Scheduler"}))
    assert read_scheduler_file(path) == ("tcp://10.0.0.1:8786", None)


# --- who may talk, who may look ---------------------------------------------------------------------------


def test_tls_and_the_address_have_to_agree(tmp_path):
    with pytest.raises(OptionError, match=r"TLS asked for, and tcp://h:1, which has none"):
        running_security(ClusterOptions("tcp://h:1", tls=True), "tcp://h:1")
    with pytest.raises(OptionError, match=r"tls://h:1 wants TLS; give the .* with tls_credentials"):
        running_security(ClusterOptions("tls://h:1"), "tls://h:1")
    missing = ClusterOptions("tls://h:1", tls_ca=tmp_path / "ca.pem", tls_cert=tmp_path / "cert.pem")
    with pytest.raises(InputError, match=rf"no certificate file {tmp_path}/ca.pem"):
        running_security(missing, "tls://h:1")
    assert running_security(ClusterOptions("tcp://h:1"), "tcp://h:1") is None


def test_certificates_that_cannot_be_used_are_named_before_anything_is_connected(tmp_path):
    security = Security.temporary()
    other = Security.temporary()
    ca, cert = (
        write(tmp_path / name, text)
        for name, text in (("ca.pem", security.tls_ca_file), ("cert.pem", security.tls_client_cert))
    )
    key = write(tmp_path / "key.pem", security.tls_client_key)
    files = {"tls_ca": ca, "tls_cert": cert, "tls_key": key}
    assert running_security(ClusterOptions("tls://h:1", **files), "tls://h:1").require_encryption
    wrong = write(tmp_path / "wrong.pem", other.tls_client_key)
    for bad in ({"tls_key": wrong}, {"tls_key": ca}, {"tls_ca": key}, {"tls_cert": key}):
        options = ClusterOptions("tls://h:1", **files | bad)
        (path,) = bad.values()
        with pytest.raises(InputError, match=rf"{path.name}.* cannot be used .*give PEM files"):
            running_security(options, "tls://h:1")


def test_a_folder_for_workers_that_cannot_be_made_is_named(tmp_path):
    file = write(tmp_path / "file", "")
    for base in (tmp_path / "nowhere", file):
        with (
            pytest.raises(InputError, match=rf"can be made in {base} \(.*\); give one .* local_directory"),
            private_folder({"local_directory": base}),
        ):
            pass


def test_files_of_workers_lie_in_a_folder_that_nobody_else_can_read(tmp_path):
    with private_folder({"local_directory": tmp_path}) as name:
        (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
        assert (str(folder), folder.stat().st_mode & 0o777) == (name, 0o700)
    assert not folder.exists()


def test_folders_that_killed_processes_left_behind_are_removed_and_no_others(tmp_path):
    left, others = tmp_path / f"fringefleet-workers-{16 * '0'}", tmp_path / "fringefleet-workers-result"
    for folder in (left, others):
        (folder / "inside").mkdir(parents=True)
    here = {"local_directory": tmp_path}
    with private_folder(here) as ours, private_folder(here) as name:
        folders = {path for path in tmp_path.iterdir() if path.is_dir()}
        assert folders == {others, Path(name), Path(ours)}
    assert list(tmp_path.iterdir()) == [others]
