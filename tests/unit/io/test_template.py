import pytest

from fringefleet.errors import InputError, OptionError
from fringefleet.io.template import TemplateOptions, read_template

KEY = "mintpy.networkInversion."


def write(folder, *lines):
    path = folder / "smallbaselineApp.cfg"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_auto_is_the_default_of_mintpy(tmp_path):
    names = "weightFunc minNormVelocity maskDataset maskThreshold minRedundancy waterMaskFile"
    path = write(tmp_path, *(f"{KEY}{name} = auto" for name in names.split()))
    assert read_template(path) == TemplateOptions("var", "none", 0.4, 1.0, "velocity", None)


def test_auto_takes_the_water_mask_beside_the_template_if_there_is_one(tmp_path):
    path = write(tmp_path, f"{KEY}waterMaskFile = auto")
    assert read_template(path).water_mask is None
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
        ("maskDataset = coherence", "mask_dataset", "coherence"),
        ("maskDataset = connectComponent", "mask_dataset", "connected_component"),
        ("maskDataset = no", "mask_dataset", "none"),
        ("maskThreshold = 0.25", "mask_threshold", 0.25),
        ("maskThreshold = no", "mask_threshold", 0.4),
        ("minRedundancy = 2", "min_redundancy", 2.0),
        ("waterMaskFile = no", "water_mask", None),
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


def test_keys_that_this_step_does_not_use_are_named(tmp_path):
    path = write(tmp_path, f"{KEY}minTempCoh = auto", f"{KEY}solver = x", "mintpy.compute.cluster = no")
    unused = (f"{KEY}minTempCoh", f"{KEY}solver", "mintpy.compute.cluster")
    assert read_template(path) == TemplateOptions(unused=unused)


def test_an_unknown_key_is_an_error_with_the_nearest_name(tmp_path):
    path = write(tmp_path, f"{KEY}weightFunction = var")
    with pytest.raises(OptionError, match=r"weightFunction .*Did you mean \S*\.weightFunc\?"):
        read_template(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("weightFunc = vra", r"weightFunc = 'vra'; use one of auto, var, .*Did you mean var\?"),
        ("weightFunc =", "weightFunc = ''; use one of"),
        ("minNormVelocity = 3", "minNormVelocity = '3'; use one of auto, yes, true, no, false"),
        ("maskDataset = offsetSNR", "maskDataset = 'offsetSNR'; use one of .*connectComponent"),
        ("maskThreshold = high", "maskThreshold = 'high'; use a number"),
        ("maskThreshold = nan", "maskThreshold = 'nan'; use a number"),
        ("minRedundancy = -1", "minRedundancy = '-1'; use a number of at least 0, or auto"),
        ("waterMaskFile = gone.h5", "waterMaskFile = 'gone.h5', but there is no file .*gone.h5"),
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


def test_a_file_that_is_no_template_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not there"):
        read_template(tmp_path / "gone.cfg")
    with pytest.raises(InputError, match="is no file"):
        read_template(tmp_path)
    (tmp_path / "binary").write_bytes(b"\x89HDF\r\n\x1a\n\0\0")
    with pytest.raises(InputError, match="is no text file"):
        read_template(tmp_path / "binary")
    with pytest.raises(InputError, match="found no 'key = value' line"):
        read_template(write(tmp_path, "# nothing"))


def test_the_template_of_the_test_scene_is_read(shared_data):
    folder = shared_data / "nasty_24"
    options = read_template(folder / "smallbaselineApp.cfg")
    assert options.weight_func == "var"
    assert options.water_mask == folder / "waterMask.h5"
    assert "mintpy.compute.maxMemory" in options.unused
