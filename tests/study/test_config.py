import pytest

from ganbench.errors import UsageError
from ganbench.study.config import Request, make_request, read_seeds


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
    assert read_seeds(text) == seeds


@pytest.mark.parametrize("text", ["0", "5,5", "1-3,2", "", "a", "3-1", "-1", "1.5", [1, 1], ["1"], [], True, 1.5, [-1]])
def test_bad_seeds_are_refused_by_name(text):
    with pytest.raises(UsageError, match="--seeds"):
        read_seeds(text)


LARGEST = 2**63 - 1


def test_a_seed_fits_into_a_column_of_whole_numbers(tmp_path):
    assert read_seeds(f"{LARGEST},0") == read_seeds([LARGEST, 0]) == (LARGEST, 0)
    assert read_seeds(f"{LARGEST - 1}-{LARGEST}") == (LARGEST - 1, LARGEST)
    file = tmp_path / "study.toml"
    for seeds in (f"{LARGEST + 1},1", f"{2**64 - 1},1", f"{LARGEST}-{LARGEST + 1}", [0, LARGEST + 1], str(2**64 - 1)):
        with pytest.raises(UsageError, match="--seeds"):
            read_seeds(seeds)
        file.write_text(f"seeds = {seeds!r}\n")
        with pytest.raises(UsageError, match=r"study\.toml:1: seeds"):
            make_request(file, {}, quick=False)


@pytest.mark.parametrize("name", ["steps", "batch_size", "evaluate_every", "n_samples", "jobs", "cpus_per_cohort"])
def test_whole_numbers_fit_into_a_column(name):
    assert make_request(None, {name: 10**9}, quick=False)
    for number in (10**9 + 1, LARGEST, LARGEST + 1, 10**30):
        with pytest.raises(UsageError, match="--" + name.replace("_", "-")):
            make_request(None, {name: number}, quick=False)


def test_the_command_line_wins_over_the_file_and_the_file_over_the_defaults(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text('objectives = ["gan", "wgan"]\nseeds = "3,7"\nbatch-size = 32\n[set]\nwgan.clip = [0.01, 0.1]\n')
    request = make_request(file, {"seeds": "2", "steps": None}, quick=False)
    assert request.objectives == ("gan", "wgan")
    assert request.seeds == (0, 1)
    assert request.batch_size == 32
    assert request.steps == Request().steps
    assert request.settings == {"wgan.clip": (0.01, 0.1)}


def test_quick_is_a_default_like_any_other(tmp_path):
    assert make_request(None, {}, quick=True).steps == 200
    assert make_request(None, {"steps": 50}, quick=True).steps == 50
    file = tmp_path / "study.toml"
    file.write_text("quick = true\nseeds = 2\n")
    request = make_request(file, {}, quick=False)
    assert (request.steps, request.seeds) == (200, (0, 1))


def test_settings_from_the_command_line_are_swept():
    request = make_request(None, {"settings": ["wgan.clip=0.01,0.1", "gan.n_critic=2"]}, quick=False)
    assert request.settings == {"wgan.clip": ("0.01", "0.1"), "gan.n_critic": ("2",)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("seeds = 0\n", r"study\.toml:1: seeds is 0"),
        ("steps = 10\n\nobjectivs = ['gan']\n", r"study\.toml:3: unknown key 'objectivs'; did you mean 'objectives'"),
        ("steps = -1\n", r"study\.toml:1: steps is -1"),
        ("steps = true\n", "whole number"),
        ("steps = [\n", "not a readable TOML file"),
        ("objectives = 3\n", "wanted names"),
        ("objectives = []\n", "name at least one"),
        ("objectives = ['gan', 'gan']\n", "names 'gan' twice"),
        ("quick = 3\n", "wanted true or false"),
        ("[set]\nwgan = 3\n", "name.setting"),
    ],
)
def test_a_bad_file_is_one_sentence_with_file_and_line(tmp_path, content, message):
    file = tmp_path / "study.toml"
    file.write_text(content)
    with pytest.raises(UsageError, match=message) as raised:
        make_request(file, {}, quick=False)
    assert "\n" not in str(raised.value).strip()


@pytest.mark.parametrize("text", ["wgan", "wgan.clip", "wgan.clip=", "clip=3"])
def test_a_bad_setting_shows_the_right_form(text):
    with pytest.raises(UsageError, match=r"wgan\.clip=0\.01,0\.1"):
        make_request(None, {"settings": [text]}, quick=False)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(UsageError, match="no such study file"):
        make_request(tmp_path / "nothing.toml", {}, quick=False)
