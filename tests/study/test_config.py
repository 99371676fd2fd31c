import json
from dataclasses import fields

import pytest

from ganbench.errors import OptionError, UnknownNameError, UsageError
from ganbench.study.config import OPTIONS, StudyConfig, default_in_words, make_config, read_seeds

LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("5", (0, 1, 2, 3, 4)),
        ("1", (0,)),
        ("3,7", (3, 7)),
        ("10-12", (10, 11, 12)),
        ("0, 4-5,9", (0, 4, 5, 9)),
        ([3, 7], (3, 7)),
        (2, (0, 1)),
    ],
)
def test_seeds_are_a_number_a_list_or_a_range(text, seeds):
    assert read_seeds(text, "--seeds") == seeds


@pytest.mark.parametrize("text", ["0", "5,5", "1-3,2", "", "a", "3-1", "-1", "1.5", [1, 1], ["1"], [], True, 1.5, [-1]])
def test_bad_seeds_are_refused_by_name(text):
    with pytest.raises(OptionError) as raised:
        read_seeds(text, "--seeds")
    assert raised.value.option == "--seeds"


def test_a_seed_fits_into_a_column_of_whole_numbers(tmp_path):
    assert read_seeds(f"{LARGEST},0", "--seeds") == read_seeds([LARGEST, 0], "--seeds") == (LARGEST, 0)
    assert read_seeds(f"{LARGEST - 1}-{LARGEST}", "--seeds") == (LARGEST - 1, LARGEST)
    file = tmp_path / "study.toml"
    for seeds in (f"{LARGEST + 1},1", f"{2**64 - 1},1", f"{LARGEST}-{LARGEST + 1}", [0, LARGEST + 1], str(2**64 - 1)):
        file.write_text(f"seeds = {seeds!r}\n")
        for source, given, option in ((None, {"seeds": seeds}, "--seeds"), (file, {}, f"{file}:1: seeds")):
            with pytest.raises(OptionError) as raised:
                make_config(source, given)
            assert raised.value.option == option


@pytest.mark.parametrize("name", ["steps", "batch_size", "evaluate_every", "n_samples", "jobs", "cpus_per_cohort"])
def test_whole_numbers_fit_into_a_column(name):
    assert make_config(None, {name: 10**9})
    for number in (10**9 + 1, LARGEST, LARGEST + 1, 10**30, 10**5000):  # Python writes no number of 5,000 digits
        with pytest.raises(OptionError) as raised:
            make_config(None, {name: number})
        assert (raised.value.option, raised.value.got) == ("--" + name.replace("_", "-"), number)


def test_the_command_line_wins_over_the_file_and_the_file_over_the_defaults(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text('objectives = ["gan", "wgan"]\nseeds = "3,7"\nbatch-size = 32\n[set]\nwgan.clip = [0.01, 0.1]\n')
    config = make_config(file, {"seeds": "2", "steps": None})
    assert config.objectives == ("gan", "wgan")
    assert config.seeds == (0, 1)
    assert config.batch_size == 32
    assert config.steps == StudyConfig().steps
    assert config.settings == {"wgan.clip": (0.01, 0.1)}


def test_quick_is_a_default_like_any_other(tmp_path):
    assert make_config(None, {}, quick=True).steps == 200
    assert make_config(None, {"steps": 50}, quick=True).steps == 50
    file = tmp_path / "study.toml"
    file.write_text("quick = true\nseeds = 2\n")
    config = make_config(file, {})
    assert (config.steps, config.seeds) == (200, (0, 1))


def test_settings_from_the_command_line_are_swept():
    config = make_config(None, {"settings": ["wgan.clip=0.01,0.1", "gan.n_critic=2"]})
    assert config.settings == {"wgan.clip": ("0.01", "0.1"), "gan.n_critic": ("2",)}


@pytest.mark.parametrize(
    ("content", "option", "got"),
    [
        ("seeds = 0\n", "1: seeds", 0),
        ("\nsteps = -1\n", "2: steps", -1),
        ("steps = true\n", "1: steps", True),
        ("objectives = 3\n", "1: objectives", 3),
        ("objectives = []\n", "1: objectives", []),
        ("objectives = ['gan', 'gan']\n", "1: objectives", ["gan", "gan"]),
        ("quick = 3\n", "1: quick", 3),
        ("[set]\nwgan = 3\n", "1: set", 3),
        ("trial-timeout = 1" + "0" * 400, "1: trial-timeout", 10**400),
        ("plugin = []\n", "1: plugin", []),
    ],
)
def test_a_bad_value_of_a_file_carries_file_line_and_key(tmp_path, content, option, got):
    file = tmp_path / "study.toml"
    file.write_text(content)
    with pytest.raises(OptionError) as raised:
        make_config(file, {})
    error = raised.value
    assert (error.option, error.got) == (f"{file}:{option}", got)
    assert error.wanted in str(error)
    assert "\n" not in str(error)


def test_an_unknown_key_of_a_file_carries_its_line_and_the_nearest_one(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text("steps = 10\n\nobjectivs = ['gan']\n")
    with pytest.raises(UnknownNameError) as raised:
        make_config(file, {})
    error = raised.value
    assert (error.option, error.name, error.suggestion) == (f"{file}:3", "objectivs", "objectives")


@pytest.mark.parametrize("content", ["steps = [\n", None], ids=["no TOML", "missing"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    file = tmp_path / "study.toml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError) as raised:
        make_config(file, {})
    assert str(raised.value).startswith(f"{file}: ")
    assert "\n" not in str(raised.value).strip()


@pytest.mark.parametrize("text", ["wgan", "wgan.clip", "wgan.clip=", "clip=3"])
def test_a_bad_setting_shows_the_right_form(text):
    with pytest.raises(OptionError) as raised:
        make_config(None, {"settings": [text]})
    assert (raised.value.option, raised.value.got) == ("--set", text)
    assert "wgan.clip=0.01,0.1" in raised.value.wanted


# -- the declaration ---------------------------------------------------------------------------------------------------

WRITTEN = {"objectives": "gan", "datasets": "ring", "architectures": "mlp", "settings": {"gan": {"n_critic": 2}},
           "probe": False, "precision": "bf16", "compile": "on", "plugin": "f.py", "gpus_per_cohort": 0.5}  # fmt: skip


@pytest.mark.parametrize("name", [f.name for f in fields(StudyConfig)])
def test_every_field_is_an_option_a_key_of_study_files_and_has_its_own_type(tmp_path, name):
    default = getattr(StudyConfig(), name)
    value = WRITTEN.get(name, "x" if default is None or isinstance(default, str) else 7)
    table = "{gan = {n_critic = 2}}" if name == "settings" else json.dumps(value)
    file = tmp_path / "study.toml"
    file.write_text(f"{OPTIONS[name].name} = {table}\n")
    read = getattr(make_config(file, {}), name)
    assert read == getattr(make_config(None, {name: value}), name) != default
    assert type(read) is (str if default is None else type(default))


def test_defaults_in_words_are_those_of_the_fields():
    assert default_in_words("steps") == str(StudyConfig().steps)
    assert default_in_words("objectives") == ",".join(StudyConfig().objectives)
    assert default_in_words("probe") == "on"
    assert (default_in_words("jobs"), default_in_words("settings")) == ("one a core", "")
