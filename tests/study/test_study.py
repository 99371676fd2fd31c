import os
from dataclasses import replace

import pytest
from PIL import Image
from stored import component
from stored import stored as store_trial

from ganbench.datasets import Dataset
from ganbench.errors import DataError, GanbenchError, OptionError, UnknownNameError, UsageError
from ganbench.plugins.build import placed, read_places
from ganbench.plugins.registry import load_plugins
from ganbench.study.config import StudyConfig
from ganbench.study.study import make_study, resolve_device


@pytest.fixture(scope="module")
def registry():
    return load_plugins()


def study(registry, tmp_path, **changes):
    return make_study(StudyConfig(**{"objectives": ("gan", "wgan"), "device": "cpu", **changes}), registry, tmp_path)


def test_the_default_is_digits_on_dcgan_with_five_seeds(registry, tmp_path):
    made = study(registry, tmp_path)
    assert [c.name for c in made.cohorts] == ["digits · dcgan · gan", "digits · dcgan · wgan"]
    assert len(made.trials()) == 10
    assert str(made.out) == "results/digits-dcgan"
    assert {c.protocol.steps for c in made.cohorts} == {2000}


def test_each_dataset_has_its_own_default_architecture(registry, tmp_path):
    made = study(registry, tmp_path, datasets=("digits", "ring"), objectives=("gan",))
    assert [(c.dataset.label, c.architecture.label) for c in made.cohorts] == [("digits", "dcgan"), ("ring", "mlp")]


def test_sweeps_multiply_and_are_labelled(registry, tmp_path):
    settings = {"wgan.clip": ("0.01", "0.1"), "wgan.optimizer.lr": ("1e-3",), "ring.sigma": (0.1,)}
    made = study(registry, tmp_path, datasets=("ring",), settings=settings)
    assert [c.objective.label for c in made.cohorts] == [
        "gan",
        "wgan[optimizer.lr=0.001, clip=0.01]",
        "wgan[optimizer.lr=0.001, clip=0.1]",
    ]
    assert made.cohorts[1].objective.fields["optimizer"] == {
        "name": "rmsprop", "lr": 0.001, "beta1": 0.5, "beta2": 0.999, "alpha": 0.99,
    }  # fmt: skip
    assert {c.dataset.label for c in made.cohorts} == {"ring[sigma=0.1]"}
    assert len({t.id for t in made.trials()}) == len(made.trials())


def test_an_alias_asks_for_the_same_trials(registry, tmp_path):
    ours, theirs = study(registry, tmp_path), study(registry, tmp_path, objectives=("minimax", "wgan-clip"))
    assert [t.id for t in ours.trials()] == [t.id for t in theirs.trials()]


def test_more_seeds_or_objectives_keep_the_addresses_of_the_others(registry, tmp_path):
    small = {t.id for t in study(registry, tmp_path).trials()}
    grown = study(registry, tmp_path, objectives=("gan", "wgan", "nsgan"), seeds=(0, 1, 2, 3, 4, 9)).trials()
    assert small < {t.id for t in grown}
    assert len(grown) == 18


@pytest.mark.parametrize(
    ("changes", "option", "kind", "name", "suggestion"),
    [
        ({"objectives": ("wagn",)}, "--objectives", "objective", "wagn", "wgan"),
        ({"datasets": ("digit",)}, "--datasets", "dataset", "digit", "digits"),
        ({"architectures": ("dcgn",)}, "--architectures", "architecture", "dcgn", "dcgan"),
        ({"settings": {"wgan.clpi": ("1",)}}, "--set", "setting of wgan", "clpi", "clip"),
        ({"settings": {"wgan.optimizer.rate": ("1",)}}, "--set", "setting of wgan.optimizer", "rate", "name"),
        (
            {"settings": {"nsgan.n_critic": ("1",)}},
            "--set nsgan.n_critic",
            "objective, dataset or architecture of this run",
            "nsgan",
            "gan",
        ),
        ({"device": "cup"}, "--device", "device", "cup", "cpu"),
    ],
)
def test_an_unknown_name_carries_its_option_and_the_nearest_name(
    registry, tmp_path, changes, option, kind, name, suggestion
):
    with pytest.raises(UnknownNameError) as raised:
        study(registry, tmp_path, **changes)
    error = raised.value
    assert (error.option, error.kind, error.name, error.suggestion) == (option, kind, name, suggestion)
    assert "\n" not in str(error)


def test_an_alias_beside_its_name_is_refused(registry, tmp_path):
    with pytest.raises(OptionError) as raised:
        study(registry, tmp_path, objectives=("gan", "minimax"))
    assert (raised.value.option, raised.value.got) == ("--objectives", ("gan", "minimax"))


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"datasets": ("ring",), "architectures": ("dcgan",)}, "dcgan"),
        ({"settings": {"wgan.clip": ("abc",)}}, "--set: wgan.clip='abc'"),
        ({"settings": {"wgan.n_critic": ("0",)}}, "n_critic is 0"),
        ({"settings": {"wgan.optimizer.name": ("adm",)}}, "optimizer 'adm'"),
        ({"settings": {"wgan.clip.x": ("1",)}}, "'clip.x'"),
        ({"device": "cuda:77"}, "--device is cuda:77"),
    ],
)
def test_a_setting_that_does_not_work_is_one_sentence_that_names_it(registry, tmp_path, changes, subject):
    with pytest.raises(GanbenchError) as raised:
        study(registry, tmp_path, **changes)
    assert subject in str(raised.value)
    assert "\n" not in str(raised.value)


def test_auto_is_a_device_that_is_there():
    assert resolve_device("auto") in ("cpu", "cuda")
    assert resolve_device("cpu") == "cpu"


# -- data that are moved -----------------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A folder of images that can be renamed, below the current directory."""
    monkeypatch.chdir(tmp_path)
    for k in range(4):
        os.makedirs("img", exist_ok=True)
        Image.new("RGB", (8, 8), (k, 0, 0)).save(f"img/{k}.png")
    return tmp_path


def on_pictures(registry, path, **changes):
    settings = {"image-folder.path": (str(path),), "image-folder.size": (8,)}
    request = {"objectives": ("gan",), "datasets": ("image-folder",), "settings": settings, "seeds": (0, 1)}
    return make_study(StudyConfig(**{**request, "device": "cpu", "steps": 2, "probe": False, **changes}), registry, "")


def store_all(study, out):
    """Trials as if they had been trained."""
    for trial in study.trials():
        store_trial(out, trial)


def with_the_path_in_the_address(study):
    """The study as versions described it that had the path among what determines numbers."""
    old = [replace(c, dataset=replace(c.dataset, fields={"path": "img", "size": 8})) for c in study.cohorts]
    return replace(study, cohorts=tuple(old))


def test_the_place_of_data_is_absolute_and_in_no_address(registry, pictures):
    made = on_pictures(registry, "img")
    (cohort,) = made.cohorts
    assert cohort.dataset.place == {"path": str(pictures / "img")}
    assert cohort.dataset.settings()["fields"] == {"size": 8}
    os.rename("img", "pics")
    assert [t.id for t in on_pictures(registry, "pics").trials()] == [t.id for t in made.trials()]
    Image.new("RGB", (8, 8), (9, 9, 9)).save("pics/0.png")
    assert not {t.id for t in on_pictures(registry, "pics").trials()} & {t.id for t in made.trials()}


@pytest.mark.parametrize("legacy", [False, True], ids=["of today", "with the path in the address"])
@pytest.mark.parametrize("out", ["o", None], ids=["named folder", "default folder"])
def test_a_moved_folder_trains_nothing_again(registry, pictures, out, legacy):
    made = on_pictures(registry, "img", out=out)
    before = with_the_path_in_the_address(made) if legacy else made
    assert ({t.id for t in before.trials()} == {t.id for t in made.trials()}) != legacy
    store_all(before, made.out)
    assert on_pictures(registry, "img", out=out).missing() == []
    os.rename("img", "pics")
    after = on_pictures(registry, "pics", out=out)
    assert (after.missing(), after.out) == ([], made.out)
    assert after.trials() == before.trials()  # under the label that they had
    assert after.cohorts[0].dataset.place == {"path": str(pictures / "pics")}
    (more,) = on_pictures(registry, "pics", out=out, seeds=(0, 1, 2)).missing()
    assert (more.seeds, more.dataset.label) == ((2,), before.cohorts[0].dataset.label)


def test_other_data_in_the_old_place_are_trained_on(registry, pictures):
    store_all(on_pictures(registry, "img", out="o"), pictures / "o")
    Image.new("RGB", (8, 8), (9, 9, 9)).save("img/0.png")
    assert [cohort.seeds for cohort in on_pictures(registry, "img", out="o").missing()] == [(0, 1)]


def test_a_damaged_description_hides_no_other_trial(registry, pictures):
    made = on_pictures(registry, "img", out="o")
    store_all(with_the_path_in_the_address(made), pictures / "o")
    first, second = sorted((pictures / "o" / "trials").iterdir())
    (first / "trial.json").write_text("[]")
    os.rename("img", "pics")
    assert [len(cohort.seeds) for cohort in on_pictures(registry, "pics", out="o").missing()] == [1]
    assert second.name in [trial.id for trial in on_pictures(registry, "pics", out="o").trials()]


def test_two_places_of_the_same_data_are_one_dataset(registry, pictures):
    os.symlink("img", "same")
    with pytest.raises(UsageError, match="--set"):
        on_pictures(registry, "img", settings={"image-folder.path": ("img", "same"), "image-folder.size": (8,)})


def test_places_alone_can_be_set_afterwards(registry, tmp_path):
    places = read_places({"image-folder.path": (str(tmp_path),)}, registry.datasets)
    assert places == {"image-folder": {"path": str(tmp_path)}}
    for settings in (
        {"image-folder.size": (8,)},
        {"ring.sigma": (1,)},
        {"image-folder.path": ("a", "b")},
        {"x.y": (1,)},
    ):
        with pytest.raises(UsageError, match="--set"):
            read_places(settings, registry.datasets)
    stored = component("dataset", "image-folder", path="img", size=8)
    assert placed(stored, {}, {}).place == {}
    recorded = {"places": {"dataset": {"path": "/then"}}}
    assert placed(stored, recorded, {}).place == {"path": "/then"}
    assert placed(stored, recorded, places).place == {"path": str(tmp_path)}
    assert {cls.name: cls.places for cls in registry.datasets if cls.places} == {"image-folder": ("path",)}
    assert Dataset.places == ()


# -- what a probe and a table can hold ---------------------------------------------------------------------------------


def test_a_probe_needs_something_to_hold_out(registry, pictures):
    for k in range(4):
        Image.new("RGB", (8, 8)).save(f"img/{k}.png")
    assert on_pictures(registry, "img").cohorts
    with pytest.raises(DataError, match="--no-probe"):
        on_pictures(registry, "img", probe=True)


def test_more_samples_than_a_column_holds_are_refused(registry, tmp_path):
    largest = {"steps": 10**9, "batch_size": 10**9, "objectives": ("gan",), "datasets": ("ring",)}
    assert study(registry, tmp_path, **largest, settings={"gan.n_critic": (9,)}).cohorts
    with pytest.raises(UsageError, match="9223372036854775807"):
        study(registry, tmp_path, **largest, settings={"gan.n_critic": (10,)})
