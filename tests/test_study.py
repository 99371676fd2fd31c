import pytest

from ganbench.errors import GanbenchError
from ganbench.plugins import load_plugins
from ganbench.request import Request
from ganbench.study import make_study, resolve_device


@pytest.fixture(scope="module")
def registry():
    return load_plugins()


def study(registry, tmp_path, **changes):
    return make_study(Request(**{"objectives": ("gan", "wgan"), "device": "cpu", **changes}), registry, tmp_path)


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
    ("changes", "message"),
    [
        ({"objectives": ("wagn",)}, "--objectives: unknown objective 'wagn'; did you mean 'wgan'"),
        ({"objectives": ("gan", "minimax")}, "names 'gan' twice"),
        ({"datasets": ("digit",)}, "--datasets: unknown dataset 'digit'; did you mean 'digits'"),
        ({"architectures": ("dcgn",)}, "--architectures: unknown architecture 'dcgn'; did you mean 'dcgan'"),
        ({"datasets": ("ring",), "architectures": ("dcgan",)}, "dcgan"),
        ({"settings": {"wgan.clpi": ("1",)}}, "unknown setting of wgan 'clpi'; did you mean 'clip'"),
        ({"settings": {"wgan.clip": ("abc",)}}, r"--set: wgan\.clip='abc': .*number"),
        ({"settings": {"wgan.n_critic": ("0",)}}, "n_critic is 0; it must be at least 1"),
        ({"settings": {"wgan.optimizer.name": ("adm",)}}, "optimizer 'adm' is not one of"),
        ({"settings": {"wgan.optimizer.rate": ("1",)}}, "unknown setting of wgan.optimizer 'rate'"),
        ({"settings": {"wgan.clip.x": ("1",)}}, "no settings of its own"),
        (
            {"settings": {"nsgan.n_critic": ("1",)}},
            "--set nsgan.n_critic: unknown objective, dataset or architecture of this run",
        ),
        ({"device": "gpu"}, "--device: unknown device 'gpu'"),
        ({"device": "cuda:77"}, "--device is cuda:77, but PyTorch sees"),
    ],
)
def test_what_cannot_be_is_one_sentence(registry, tmp_path, changes, message):
    with pytest.raises(GanbenchError, match=message) as raised:
        study(registry, tmp_path, **changes)
    assert "\n" not in str(raised.value)


def test_auto_is_a_device_that_is_there():
    assert resolve_device("auto") in ("cpu", "cuda")
    assert resolve_device("cpu") == "cpu"
