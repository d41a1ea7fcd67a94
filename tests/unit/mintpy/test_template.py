import pytest

from fringefleet.errors import InputError, OptionError
from fringefleet.mintpy.template import TemplateOptions, read_covariance_date, read_template

KEY = "mintpy.networkInversion."


def write(folder, *lines):
    path = folder / "smallbaselineApp.cfg"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_auto_is_the_default_of_mintpy(tmp_path):
    names = "weightFunc minNormVelocity maskDataset maskThreshold minRedundancy waterMaskFile"
    path = write(tmp_path, *(f"{KEY}{name} = auto" for name in names.split()))
    assert read_template(path) == TemplateOptions("var", "none", 0.4, 1.0, "velocity", None)


@pytest.mark.parametrize("value", ["auto", "waterMask.h5"])
def test_auto_takes_the_water_mask_beside_the_template_if_there_is_one(value, tmp_path, caplog):
    path = write(tmp_path, f"{KEY}waterMaskFile = {value}")
    with caplog.at_level("INFO", "fringefleet"):
        assert read_template(path).water_mask is None
    assert [r.getMessage() for r in caplog.records] == [
        f"no {tmp_path / 'waterMask.h5'}: pixels on water are inverted, too"
    ]
    (tmp_path / "waterMask.h5").touch()
    assert read_template(path).water_mask == tmp_path / "waterMask.h5"


def test_a_template_that_says_nothing_sets_nothing(tmp_path):
    (tmp_path / "waterMask.h5").touch()
    path = write(tmp_path, "mintpy.load.processor = isce", "weightFunc = nonsense")
    assert read_template(path) == TemplateOptions()


@pytest.mark.parametrize(
    ("line", "option", "expected"),
    [
        ("weightFunc = fim", "weight_func", "fim"),
        ("weightFunc = no", "weight_func", "no"),
        ("weightFunc = none", "weight_func", "no"),
        ("weightFunc = False", "weight_func", "no"),
        ("minNormVelocity = yes", "min_norm", "velocity"),
        ("minNormVelocity = true", "min_norm", "velocity"),
        ("minNormVelocity = no", "min_norm", "phase"),
        ("minNormVelocity = none", "min_norm", "phase"),
        ("maskDataset = coherence", "mask_dataset", "coherence"),
        ("maskDataset = connectComponent", "mask_dataset", "connected_component"),
        ("maskDataset = no", "mask_dataset", "none"),
        ("maskThreshold = 0.25", "mask_threshold", 0.25),
        ("maskThreshold = no", "mask_threshold", 0.4),
        ("minRedundancy = 2", "min_redundancy", 2.0),
        ("minRedundancy = no", "min_redundancy", 1.0),
        ("waterMaskFile = no", "water_mask", None),
        ("maskDataset = offsetSNR", "mask_dataset", "offset_snr"),
        ("maskDataset = rangeOffsetStd", "mask_dataset", "range_offset_std"),
        ("maskDataset = azimuthOffsetStd", "mask_dataset", "azimuth_offset_std"),
        ("minTempCoh = 0.8", "min_temporal_coherence", 0.8),
        ("minTempCoh = auto", "min_temporal_coherence", 0.7),
        ("minNumPixel = auto", "min_reliable", 100),
        ("minNumPixel = 20", "min_reliable", 20),
        ("shadowMask = auto", "shadow_mask", True),
        ("shadowMask = no", "shadow_mask", False),
        ("solver = auto", "device", "cpu"),
        ("solver = torch", "device", "cuda"),
        ("gpuChunkSize = auto", "gpu_chunk_size", 0),
        ("gpuChunkSize = 200000", "gpu_chunk_size", 200000),
    ],
)
def test_a_value_has_the_meaning_that_mintpy_gives_it(tmp_path, line, option, expected):
    assert getattr(read_template(write(tmp_path, KEY + line)), option) == expected


def test_comments_are_left_out_and_the_last_line_of_a_key_wins(tmp_path):
    path = write(
        tmp_path,
        f"{KEY}weightFunc = coh  #[var / fim / coh / no]",
        f"# {KEY}weightFunc = no",
        "-------- a title --------",
        f"{KEY}weightFunc=fim# = var",
    )
    assert read_template(path).weight_func == "fim"


def test_a_key_without_a_value_says_nothing(tmp_path):
    path = write(tmp_path, f"{KEY}weightFunc = no", f"{KEY}weightFunc =", f"{KEY}minRedundancy = # 2")
    assert read_template(path) == TemplateOptions(weight_func="no")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    path = write(tmp_path, f"{KEY}weightFunc = fim")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_template(path).weight_func == "fim"


def test_keys_that_this_step_does_not_use_are_named(tmp_path):
    path = write(tmp_path, f"{KEY}residualNorm = L2", "mintpy.deramp = no")
    assert read_template(path) == TemplateOptions(unused=(f"{KEY}residualNorm",))


@pytest.mark.parametrize(
    "key",
    [
        *(
            f"{KEY}{name}"
            for name in ("parallel", "numWorker", "walltime", "cluster", "config", "memorySize")
        ),
        *(f"mintpy.compute.{name}" for name in ("memorySize", "walltime", "numWorkers")),
        "pysar.networkInversion.weightFunc",
    ],
)
def test_a_key_of_an_older_mintpy_is_known_and_not_used(tmp_path, key):
    read = read_template(write(tmp_path, f"{KEY}weightFunc = fim", f"{key} = 3"))
    assert (read.weight_func, read.n_worker, read.unused) == ("fim", None, (key,))


@pytest.mark.parametrize(
    "line", ["mintpy.inversion.patch_size = 200", "mintpy.residualRms.ramp = no", "pysar.deramp = no"]
)
def test_a_key_of_another_step_or_program_is_none_of_ours(tmp_path, line):
    assert read_template(write(tmp_path, f"{KEY}weightFunc = fim", line)).unused == ()


def test_a_key_that_is_like_none_is_an_error_without_a_guess(tmp_path):
    with pytest.raises(
        OptionError, match=r"unknown key \S*\.zzz in the template\. Known are weightFunc, "
    ) as error:
        read_template(write(tmp_path, f"{KEY}zzz = 1"))
    assert "Did you mean" not in str(error.value)


@pytest.mark.parametrize("value", ["$N_OF_THEM", "${N_OF_THEM}"])
def test_a_variable_in_any_value_stands_for_what_it_is_in_the_environment(tmp_path, monkeypatch, value):
    monkeypatch.setenv("N_OF_THEM", "12")
    lines = (
        f"mintpy.compute.numWorker = {value}",
        f"{KEY}minRedundancy = {value}",
        f"{KEY}maskThreshold = $EMPTY",
    )
    monkeypatch.setenv("EMPTY", "")
    read = read_template(write(tmp_path, *lines))
    assert (read.n_worker, read.min_redundancy, read.mask_threshold) == ("12", 12, None)


def test_a_variable_that_is_not_set_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    with pytest.raises(
        OptionError, match=r"numWorker = .* no variable SLURM_CPUS_PER_TASK in the environment"
    ):
        read_template(write(tmp_path, "mintpy.compute.numWorker = $SLURM_CPUS_PER_TASK"))


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "sea.h5").touch()
    assert read_template(write(tmp_path, f"{KEY}waterMaskFile = ~/sea.h5")).water_mask == tmp_path / "sea.h5"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_those_of_a_text_file_do(tmp_path, end):
    path = tmp_path / "lines.cfg"
    path.write_bytes(f"{KEY}weightFunc = fim{end}{KEY}minRedundancy = 2{end}".encode())
    read = read_template(path)
    assert (read.weight_func, read.min_redundancy) == ("fim", 2)


@pytest.mark.parametrize("sign", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_other_signs_that_end_lines_elsewhere_are_a_part_of_a_line(tmp_path, sign):
    path = write(tmp_path, f"mintpy.load.note = a{sign}{KEY}weightFunc = fim", f"{KEY}minRedundancy = 2")
    assert read_template(path) == TemplateOptions(min_redundancy=2)


def test_an_unknown_key_is_an_error_with_the_nearest_name(tmp_path):
    path = write(tmp_path, f"{KEY}weightFunction = var")
    with pytest.raises(OptionError, match=r"weightFunction .*Did you mean \S*\.weightFunc\?"):
        read_template(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("weightFunc = vra", r"weightFunc = 'vra'; use one of auto, var, .*Did you mean var\?"),
        ("minNormVelocity = 3", "minNormVelocity = '3'; use one of auto, yes, true, no, false"),
        (
            "maskDataset = offsetStd",
            "maskDataset = 'offsetStd'; use one of .*connectComponent.*Did you mean ",
        ),
        ("solver = gpu", "solver = 'gpu'; use one of auto, cpu, torch"),
        ("gpuChunkSize = 1.5", "gpuChunkSize = '1.5'; use a whole number of at least 0, or auto"),
        ("minNumPixel = many", "minNumPixel = 'many'; use a number"),
        ("shadowMask = 2", "shadowMask = '2'; use one of auto, yes, true, no"),
        ("maskThreshold = high", "maskThreshold = 'high'; use a number"),
        ("maskThreshold = nan", "maskThreshold = 'nan'; use a number"),
        ("minRedundancy = -1", "minRedundancy = '-1'; use a number of at least 0, or auto"),
        ("waterMaskFile = gone.h5", "waterMaskFile = 'gone.h5', but .*gone.h5 does not exist"),
    ],
)
def test_a_bad_value_is_an_error_that_names_key_value_and_what_is_allowed(tmp_path, line, message):
    with pytest.raises(OptionError, match=message):
        read_template(write(tmp_path, KEY + line))


def test_a_water_mask_is_sought_from_the_folder_of_the_template(tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "sea.h5").touch()
    path = write(tmp_path, f"{KEY}waterMaskFile = masks/sea.h5")
    assert read_template(path).water_mask == tmp_path / "masks" / "sea.h5"
    write(tmp_path, f"{KEY}waterMaskFile = {tmp_path}/masks/sea.h5")
    assert read_template(path).water_mask == tmp_path / "masks" / "sea.h5"


def test_a_water_mask_may_be_named_by_a_variable_of_the_environment(tmp_path, monkeypatch):
    (tmp_path / "sea.h5").touch()
    monkeypatch.setenv("MASKS", str(tmp_path))
    path = write(tmp_path, f"{KEY}waterMaskFile = $MASKS/sea.h5")
    assert read_template(path).water_mask == tmp_path / "sea.h5"


def test_in_a_project_a_missing_key_is_auto_and_files_are_sought_in_its_folder(tmp_path):
    (tmp_path / "project").mkdir()
    mask = tmp_path / "project" / "waterMask.h5"
    mask.touch()
    path = write(tmp_path, f"{KEY}weightFunc = no")
    read = read_template(path, folder=mask.parent, complete=True)
    assert (read.weight_func, read.water_mask, read.min_norm) == ("no", mask, "velocity")
    assert (read.observation, read.shadow_mask, read.min_reliable) == ("unwrapped_phase", True, 100)
    assert (read.cluster, read.n_worker, read.memory, read.gpu_chunk_size) == ("local", None, None, 0)
    alone = read_template(path)
    assert (alone.weight_func, alone.water_mask, alone.min_norm) == ("no", None, None)


def test_a_template_beats_that_of_the_project_that_it_is_read_over(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    own = write(project, f"{KEY}weightFunc = no", f"{KEY}maskDataset = coherence", f"{KEY}minRedundancy = 3")
    lines = (f"{KEY}weightFunc = fim", f"{KEY}minRedundancy = auto", f"{KEY}minNormVelocity = off")
    path = write(tmp_path, *lines, "mintpy.reference.date = 20150518")
    read = read_template(path, over=own, folder=project, complete=True)
    assert (read.weight_func, read.mask_dataset, read.min_redundancy) == ("fim", "coherence", 1.0)
    assert (read.min_norm, read.mask_threshold) == ("phase", 0.4)
    assert read_covariance_date(path, project, over=own) == "20150518"
    write(project, "mintpy.reference.date = 20141213")
    write(tmp_path, *lines)
    assert read_covariance_date(path, project, over=own) == "20141213"
    own.unlink()
    read = read_template(path, over=own, folder=project, complete=True)
    assert (read.weight_func, read.mask_dataset, read.min_norm) == ("fim", "none", "phase")


@pytest.mark.parametrize(
    ("word", "standard"),
    [("on", "yes"), ("y", "yes"), ("off", "no"), ("n", "no"), ("def", "auto"), ("default", "auto")],
)
def test_a_word_that_mintpy_knows_in_a_merged_template_only_is_refused_elsewhere(tmp_path, word, standard):
    (tmp_path / "project").mkdir()
    own, custom = (
        write(tmp_path / "project", f"{KEY}shadowMask = {word}"),
        write(tmp_path, f"{KEY}solver = cpu"),
    )
    message = rf"shadowMask = '{word}'; MintPy takes that for {standard} only .* Write {standard}\."
    with pytest.raises(OptionError, match=message):
        read_template(own)
    with pytest.raises(OptionError, match=message):
        read_template(custom, over=own)
    write(tmp_path, f"{KEY}shadowMask = {word}")
    assert read_template(custom, over=own).shadow_mask == (standard != "no")
    write(tmp_path, f"{KEY}shadowMask = {word.upper()}")
    with pytest.raises(OptionError, match="MintPy takes that for"):
        read_template(custom, over=own)


@pytest.mark.parametrize(
    ("method", "observation"),
    [
        ("auto", "unwrapped_phase"),
        ("no", "unwrapped_phase"),
        ("bridging", "unwrapped_phase_bridging"),
        ("phase_closure", "unwrapped_phase_phase_closure"),
        ("Bridging + phase_closure", "unwrapped_phase_bridging_phase_closure"),
    ],
)
def test_the_correction_of_unwrapping_errors_names_the_dataset(tmp_path, method, observation):
    path = write(tmp_path, f"mintpy.unwrapError.method = {method}", "mintpy.unwrapError.ramp = x")
    assert read_template(path) == TemplateOptions(observation=observation)


@pytest.mark.parametrize(
    ("line", "field", "expected"),
    [
        ("cluster = auto", "cluster", "local"),
        ("cluster = none", "cluster", "local"),
        ("cluster = no", "cluster", "local"),
        ("cluster = local", "cluster", "local"),
        ("cluster = slurm", "cluster", "slurm"),
        ("cluster = tcp://10.0.0.1:8786", "cluster", "tcp://10.0.0.1:8786"),
        ("numWorker = auto", "n_worker", None),
        ("numWorker = 6", "n_worker", "6"),
        ("numWorker = All", "n_worker", "all"),
        ("numWorker = 80%", "n_worker", "80%"),
        ("maxMemory = auto", "memory", None),
        ("maxMemory = 2.5", "memory", 2.5),
        ("config = none", "config_name", None),
        ("config = slurm_long", "config_name", "slurm_long"),
    ],
)
def test_a_template_says_with_what_to_compute(tmp_path, line, field, expected):
    path = write(tmp_path, f"mintpy.compute.{line}  # as MintPy has it")
    assert getattr(read_template(path), field) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cluster = sge", "cluster = 'sge'; use one of auto, local, no, false, none, slurm, pbs, lsf"),
        ("numWorker = 0", "numWorker = '0'; use a whole number of at least 1, all, a share"),
        ("numWorker = 120%", "numWorker = '120%'; use a whole number"),
        ("numWorker = few", "numWorker = 'few'; use a whole number"),
        ("maxMemory = 0", "maxMemory = '0'; use gigabytes above 0, or auto"),
        (
            "maxmemory = 4",
            r"unknown key mintpy\.compute\.maxmemory .*Did you mean mintpy\.compute\.maxMemory",
        ),
    ],
)
def test_what_cannot_be_computed_with_is_an_error(tmp_path, line, message):
    with pytest.raises(OptionError, match=message):
        read_template(write(tmp_path, f"mintpy.compute.{line}"))


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("mintpy.networkInverson.weightFunc", "mintpy.networkInversion.weightFunc"),
        ("mintpy.NetworkInversion.weightFunc", "mintpy.networkInversion.weightFunc"),
        ("minty.networkInversion.weightFunc", "mintpy.networkInversion.weightFunc"),
        ("networkInversion.maskDataset", "mintpy.networkInversion.maskDataset"),
        ("mintpy.computer.cluster", "mintpy.compute.cluster"),
    ],
)
def test_a_section_that_is_almost_one_of_this_step_is_an_error(tmp_path, key, meant):
    with pytest.raises(OptionError, match=rf"unknown key {key} .*Did you mean {meant}\?"):
        read_template(write(tmp_path, f"{key} = auto"))


def test_keys_of_other_steps_and_lines_that_are_switched_off_are_no_concern(tmp_path):
    sections = "load network reference unwrapError timeFunc troposphericDelay save subset solidEarthTides.x"
    lines = [f"mintpy.{section}.anything = 1" for section in sections.split()]
    switched_off = ["%mintpy.networkInverson.weightFunc = no", "! mintpy.networkInversion.weightFunc = coh"]
    path = write(tmp_path, *lines, *switched_off, "miaplpy.inversion.phase = x", "PLATFORM = Sen")
    assert read_template(path) == TemplateOptions()


def test_a_file_that_is_no_template_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_template(tmp_path / "gone.cfg")
    with pytest.raises(InputError, match="is not a file"):
        read_template(tmp_path)
    (tmp_path / "binary").write_bytes(b"\x89HDF\r\n\x1a\n\0\0")
    with pytest.raises(InputError, match="is not a text file"):
        read_template(tmp_path / "binary")
    with pytest.raises(InputError, match="found no 'key = value' line"):
        read_template(write(tmp_path, "# nothing"))


def test_the_template_of_the_test_scene_is_read(shared_data):
    folder = shared_data / "nasty_24"
    options = read_template(folder / "smallbaselineApp.cfg")
    assert options.weight_func == "var"
    assert options.water_mask == folder / "waterMask.h5"
    assert (options.memory, options.cluster, options.unused) == (4.0, "local", ())
