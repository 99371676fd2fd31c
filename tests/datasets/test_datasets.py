"""The datasets: what they draw, what they compare with, and what they say of files that are missing or broken."""

from __future__ import annotations

import dataclasses
import math
import os
import struct
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from refusals import refused
from sklearn.datasets import load_digits

from ganbench import datasets
from ganbench.datasets import images
from ganbench.datasets import images as pictures
from ganbench.datasets import images as stacks
from ganbench.errors import DataError, MetricError, SettingError, UsageError
from ganbench.interfaces.metric import Evaluator, Measured
from ganbench.metrics.modes import HighQuality, Modes

SHIPPED = [d for d in datasets.DATASETS if d.architecture == "mlp"] + [datasets.Digits]
NOWHERE = Path("nowhere")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def grey_table(n: int, first: int = 0, side: int = 4) -> images.ImageTable:
    """Images whose every pixel is their number, from ``first`` on, labelled by the last digit of it."""
    numbers = torch.arange(first, first + n)
    return images.ImageTable(
        numbers.to(torch.uint8).view(n, 1, 1, 1).expand(n, 1, side, side).contiguous(), numbers % 10
    )


# ---------------------------------------------------------------------------------------------------- all of them


def test_names_are_those_of_the_design():
    assert [d.name for d in datasets.DATASETS] == [
        *("digits", "ring", "grid", "ring-pacgan", "grid-pacgan", "ring64", "swissroll"),
        *("mnist", "fashion-mnist", "stacked-mnist", "cifar10", "celeba", "image-folder"),
    ]
    answers = [n for d in datasets.DATASETS for n in (d.name, *d.aliases)]
    assert len(set(answers)) == len(answers)


@pytest.mark.parametrize("dataset", datasets.DATASETS, ids=lambda d: d.name)
def test_a_dataset_is_a_frozen_description_with_defaults(dataset):
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset().name = "other"
    assert dataset() == dataset()


def test_importing_reads_no_data_and_no_data_library():
    code = "import sys, ganbench.datasets; print([m for m in ('torchvision', 'sklearn', 'PIL') if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("dataset", SHIPPED, ids=lambda d: d.name)
class TestPopulation:
    def test_draws_and_takes(self, dataset):
        population = dataset().load(NOWHERE)
        tickets = population.draw((2, 3), seeded())
        assert tickets.shape[:2] == (2, 3)
        assert tickets.device.type == "cpu"
        samples = population.take(tickets)
        assert samples.shape == (2, 3, *population.sample_shape)
        assert samples.dtype == torch.float32
        assert torch.equal(population.take(tickets[1]), samples[1])
        assert torch.equal(population.to(torch.device("cpu")).take(tickets), samples)

    def test_equal_generators_give_equal_tickets_and_the_global_one_stays(self, dataset):
        population, before = dataset().load(NOWHERE), torch.get_rng_state()
        tickets = population.draw((50,), seeded(3))
        assert torch.equal(dataset().load(NOWHERE).draw((50,), seeded(3)), tickets)
        assert not torch.equal(population.draw((50,), seeded(4)), tickets)
        assert torch.equal(torch.get_rng_state(), before)

    def test_reference_is_always_the_same(self, dataset):
        population = dataset().load(NOWHERE)
        reference = population.reference(200)
        assert reference.shape == (200, *population.sample_shape)
        assert torch.equal(dataset().load(NOWHERE).reference(200), reference)

    def test_moves_leave_the_original_alone(self, dataset):
        population = dataset().load(NOWHERE)
        moved = population.to(torch.device("meta"))
        assert moved.take(population.draw((2,), seeded())).device.type == "meta"
        assert population.take(population.draw((2,), seeded())).device.type == "cpu"
        assert moved.reference(5).device.type == "cpu"

    def test_fingerprint_is_that_of_the_data(self, dataset):
        assert dataset().load(NOWHERE).fingerprint == dataset().load(NOWHERE).fingerprint


def test_fingerprints_differ_between_datasets():
    assert len({dataset().load(NOWHERE).fingerprint for dataset in SHIPPED}) == len(SHIPPED)


def test_data_root_is_the_option_then_the_variable_then_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_path / "variable"))
    assert datasets.data_root(tmp_path / "option") == tmp_path / "option"
    assert datasets.data_root(None) == tmp_path / "variable"
    monkeypatch.setenv("GANBENCH_DATA", "")
    assert datasets.data_root(None).parts[-2:] == ("ganbench", "data")


# ------------------------------------------------------------------------------------------------------ synthetic


@pytest.mark.parametrize(
    ("dataset", "n_modes", "scale", "sigma"),
    [
        (datasets.Ring, 8, 2, 0.02),
        (datasets.Grid, 25, 4, 0.05),
        (datasets.RingPacgan, 8, 1, 0.01),
        (datasets.GridPacgan, 25, 4, 0.05),
    ],
)
def test_mixtures_have_the_modes_and_the_spread_of_their_papers(dataset, n_modes, scale, sigma):
    population = dataset().load(NOWHERE)
    assert (population.n_modes, population.n_samples) == (n_modes, 2500)
    samples = population.take(population.draw((20_000,), seeded()))
    distances, modes = torch.cdist(samples, population.centres).min(dim=1)
    assert modes.unique().numel() == n_modes
    assert population.centres[:, 0].max().item() == pytest.approx(scale)
    assert distances.square().mean().div(2).sqrt().item() == pytest.approx(sigma, rel=0.02)
    assert population.radii.tolist() == pytest.approx([3 * sigma] * n_modes)


def test_fresh_samples_never_repeat_and_fixed_ones_do():
    fresh, fixed = datasets.Grid().load(NOWHERE), datasets.GridPacgan(points=100).load(NOWHERE)
    assert fresh.take(fresh.draw((5000,), seeded())).unique(dim=0).shape[0] == 5000
    assert fixed.take(fixed.draw((5000,), seeded())).unique(dim=0).shape[0] == 100


def test_pacgans_set_is_100_000_points_the_same_each_time_and_kept_from_the_reference():
    first, second = (datasets.RingPacgan().load(NOWHERE) for _ in range(2))
    assert first.table.shape == (100_000, 2)
    assert torch.equal(first.table, second.table)
    assert torch.cat([first.reference(5000), first.table]).unique(dim=0).shape[0] == 105_000


def test_ring64_is_good_within_the_share_of_three_sigma():
    population = datasets.Ring64().load(NOWHERE)
    assert population.sample_shape == (64,)
    distances, modes = torch.cdist(population.reference(40_000), population.centres).min(dim=1)
    assert modes.bincount().tolist() == pytest.approx([5000] * 8, rel=0.06)
    assert (distances < population.radii[modes]).float().mean().item() == pytest.approx(0.98889, abs=0.002)


def test_swissroll_has_no_modes_and_says_so():
    population = datasets.Swissroll().load(NOWHERE)
    assert (population.n_modes, population.evaluator().n_modes) == (0, 0)
    samples = population.reference(500)
    assert samples.abs().max() < 2.2
    measured = population.evaluator().measure(samples)
    assert np.array_equal(measured.features, samples.double().numpy())
    with refused(MetricError, subject="high_quality", code="no-modes"):
        HighQuality().value(measured, measured)


@pytest.mark.parametrize("dataset", [datasets.Ring, datasets.Grid, datasets.RingPacgan, datasets.Ring64])
def test_real_samples_measure_as_a_perfect_sampler(dataset):
    population = dataset().load(NOWHERE)
    measured = population.evaluator().measure(population.reference(2500))
    assert measured.n_modes == population.n_modes
    assert Modes().value(measured, measured) == population.n_modes
    assert HighQuality().value(measured, measured) == pytest.approx(0.98889, abs=0.007)  # three standard errors


@pytest.mark.parametrize(
    ("cls", "field", "value"),
    [
        (datasets.Ring, "sigma", 0.0),
        (datasets.Grid, "side", -1),
        (datasets.RingPacgan, "points", 0),
        (datasets.Ring64, "radius", math.nan),
        (datasets.Swissroll, "scale", math.inf),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(cls, field, value):
    with refused(SettingError, component=cls.name, field=field, got=value):
        cls(**{field: value})


def test_a_parameter_changes_the_fingerprint():
    assert datasets.Ring(sigma=0.03).load(NOWHERE).fingerprint != datasets.Ring().load(NOWHERE).fingerprint


# --------------------------------------------------------------------------------------------------------- images


def test_digits_are_scikit_learns():
    population, theirs = datasets.Digits().load(NOWHERE), load_digits()
    assert (population.sample_shape, population.n_modes, population.n_samples) == ((1, 8, 8), 10, 1797)
    ours = population.take(torch.arange(1797))
    assert torch.equal(ours[:, 0].double() * 8 + 8, torch.from_numpy(theirs.images))
    assert (ours.min().item(), ours.max().item()) == (-1, 1)
    assert torch.equal(population.real.labels, torch.from_numpy(theirs.target).long())
    assert population.reference(5000).shape == (1797, 1, 8, 8)  # all there are


def test_a_reference_of_all_images_is_a_permutation_and_a_short_one_its_beginning():
    table = grey_table(100)
    population = images.Images(table, table, 10, 100, "digits-cnn")
    values = (population.reference(100)[:, 0, 0, 0] + 1) * 127.5
    assert sorted(values.round().int().tolist()) == list(range(100))
    assert torch.equal(population.reference(30), population.reference(100)[:30])
    assert values.round().int().tolist() != list(range(100))  # files are often sorted


def test_images_span_the_range_exactly():
    pixels = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    table = images.ImageTable(pixels, torch.zeros(2, dtype=torch.int64))
    assert table.scaled(torch.tensor([0, 1])).flatten().tolist() == [-1, 1]


def test_every_image_is_equally_likely():
    table = grey_table(10)
    counts = images.Images(table, table, 10, 10, "").draw((10_000,), seeded()).bincount()
    assert counts.tolist() == pytest.approx([1000] * 10, abs=120)


@pytest.mark.parametrize("change", ["pixel", "label", "white", "held out"])
def test_fingerprint_changes_with_the_data(change):
    real, held_out = grey_table(20), grey_table(10)
    before = images.fingerprint(real, held_out)
    if change == "pixel":
        real.images[3, 0, 1, 2] += 1
    elif change == "label":
        real.labels[3] += 1
    elif change == "white":
        real = dataclasses.replace(real, white=200)
    else:
        held_out.images[0] += 1
    assert images.fingerprint(real, held_out) != before


def test_the_evaluator_is_asked_for_by_name(monkeypatch, tmp_path):
    from ganbench.metrics import evaluators

    monkeypatch.setattr(evaluators, "load", lambda name: f"<{name}>", raising=False)
    assert datasets.Digits().load(NOWHERE).evaluator() == "<digits-cnn>"
    write_fashion(tmp_path)
    monkeypatch.setattr(evaluators, "load", lambda name: ColourProbe())
    population = datasets.FashionMnist().load(tmp_path)
    measured = population.evaluator().measure(population.reference(5))
    assert measured.features.shape == (5, 3 * 28 * 28)
    assert measured.points.shape == (5, 28 * 28)


class ColourProbe(Evaluator):
    """Refuses grey images, as Inception does."""

    name = "probe"
    n_modes = 0

    def measure(self, points):
        assert points.shape[1] == 3
        vectors = points.flatten(1).numpy()
        return Measured(vectors, vectors.astype(np.float64), np.full(5, -1), np.zeros(5, dtype=bool), 0)


def test_stacks_are_three_digits_in_three_channels():
    real, held_out = grey_table(100), grey_table(50, first=150)
    population = stacks.Stacks(real, held_out, 500, 1000, 26_000, "stacked-mnist-cnn")
    assert population.sample_shape == (3, 4, 4)
    tickets = population.draw((6, 5), seeded())
    samples = population.take(tickets)
    assert samples.shape == (6, 5, 3, 4, 4)
    values = (samples[..., 0, 0] + 1) * 127.5
    assert torch.equal(values.round().long(), population.triples[tickets])
    assert population.reference(7).shape == (7, 3, 4, 4)
    reference = ((population.reference(900) + 1) * 127.5).round()
    assert (reference.min(), reference.max()) == (150, 199)  # of held-out images alone
    again = stacks.Stacks(real, held_out, 500, 1000, 26_000, "stacked-mnist-cnn")
    assert torch.equal(again.triples, population.triples)
    assert again.fingerprint == population.fingerprint
    moved = population.to(torch.device("meta"))
    assert (moved.take(tickets).device.type, population.triples.device.type) == ("meta", "cpu")


# ------------------------------------------------------------------------------------------------------ held out


def colour_table(n: int, first: int = 0) -> images.ImageTable:
    grey = grey_table(n, first)
    return images.ImageTable(grey.images.repeat(1, 3, 1, 1), grey.labels)


def splits(table, *_):
    """Training images 0 to 99 and test images 80 to 129: twenty are in both."""
    return table(100), table(50, first=80)


@pytest.fixture
def stand_ins(monkeypatch, tmp_path):
    """Small data for the datasets that are files; an image folder that holds one image three times."""
    for cls in (datasets.Mnist, datasets.FashionMnist):
        monkeypatch.setattr(cls, "tables", lambda self, root: splits(grey_table))
    for cls, train in ((datasets.Cifar10, True), (datasets.Celeba, "train")):
        monkeypatch.setattr(cls, "_check", lambda self, root: None)
        monkeypatch.setattr(cls, "_table", lambda self, root, split, t=train: splits(colour_table)[split != t])
    for k in range(40):
        Image.new("RGB", (8, 8), (k % 14, 0, 0)).save(tmp_path / f"{k}.png")
    return tmp_path


def rows(samples: torch.Tensor) -> set[bytes]:
    return {row.numpy().tobytes() for row in samples.cpu()}


def drawn(population) -> set[bytes]:
    """All that training can draw of a finite set; much of what it can of an endless one."""
    finite = next((len(t) for n in ("triples", "table", "real") if (t := getattr(population, n, None)) is not None), 0)
    tickets = torch.arange(finite) if finite else population.draw((20_000,), seeded())
    return rows(population.take(tickets))


DEVICES = {
    "as loaded": lambda p: p,
    "moved": lambda p: p.to(torch.device("cpu")),
    "moved twice": lambda p: p.to(torch.device("cpu")).to(torch.device("cpu")),
    "on a GPU": lambda p: p.to(torch.device("cuda")) if torch.cuda.is_available() else pytest.skip("no GPU here"),
}


@pytest.mark.slow
@pytest.mark.parametrize("move", DEVICES.values(), ids=DEVICES)
@pytest.mark.parametrize("dataset", datasets.DATASETS, ids=lambda d: d.name)
def test_held_out_samples_are_no_training_rows(dataset, move, stand_ins):
    made = dataset(str(stand_ins), size=8) if dataset is datasets.ImageFolder else dataset()
    population = move(made.load(NOWHERE))
    rest, held = population.hold_out(512)
    assert len(rows(held)) > 0
    assert held.device.type == "cpu"
    assert not rows(held) & drawn(rest)
    assert drawn(rest) <= drawn(population)
    assert (rest is population) == population.reference_is_apart


def test_digits_hold_a_quarter_out_wherever_they_are():
    for population in (datasets.Digits().load(NOWHERE), datasets.Digits().load(NOWHERE).to(torch.device("cpu"))):
        rest, held = population.hold_out(512)
        assert (len(rest.real), len(held)) == (1348, 449)
        assert drawn(rest) | rows(held) == drawn(population)


def test_copies_of_a_held_out_image_are_no_training_rows_and_one_image_alone_is_refused():
    pixels = torch.tensor([0, 0, 0, 0, 0, 9]).to(torch.uint8).view(6, 1, 1, 1)
    table = images.ImageTable(pixels, torch.zeros(6, dtype=torch.int64))
    rest, held = images.Images(table, table, 0, 6, "").hold_out(512)
    assert len(held) == 1
    assert not rows(held) & drawn(rest)
    alike = images.ImageTable(pixels[:5], table.labels[:5])
    with refused(DataError, code="alike", remedy="--no-probe"):
        images.Images(alike, alike, 0, 5, "").hold_out(512)
    with refused(DataError, code="seen", remedy="--no-probe"):
        images.Images(table, alike, 0, 5, "").hold_out(512)


# ---------------------------------------------------------------------------------------------------------- MNIST

MNIST_FILES = [f"{s}-{w}-ubyte" for s in ("train", "t10k") for w in ("images-idx3", "labels-idx1")]


@pytest.fixture(scope="module")
def real_root():
    root = Path(os.environ.get("GANBENCH_DATA") or NOWHERE)
    if not all((root / "MNIST" / "raw" / file).is_file() for file in MNIST_FILES):
        pytest.skip("GANBENCH_DATA is unset, or its folder lacks MNIST")
    return root


@pytest.fixture
def linked(real_root, tmp_path):
    """A root whose files are links, so that one of them can be broken; and a way to break it."""
    raw = tmp_path / "root" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in MNIST_FILES:
        (raw / file).symlink_to(real_root / "MNIST" / "raw" / file)

    def rewrite(file, change):
        content = (raw / file).read_bytes()
        (raw / file).unlink()
        (raw / file).write_bytes(change(content))

    return tmp_path / "root", rewrite


def test_mnist_loads(real_root):
    population = datasets.Mnist().load(real_root)
    assert (population.sample_shape, population.n_modes, population.n_samples) == ((1, 28, 28), 10, 10_000)
    assert population.real.images.dtype == torch.uint8
    assert population.real.labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert len(population.held_out) == 10_000
    samples = population.take(population.draw((64,), seeded()))
    assert (samples.min().item(), samples.max().item()) == (-1, 1)
    assert population.reference(20_000).shape == (10_000, 1, 28, 28)


def test_stacked_mnist_reaches_a_thousand_classes_of_the_same_triples(real_root):
    population = datasets.StackedMnist().load(real_root)
    assert (population.n_modes, population.n_samples, len(population.triples)) == (1000, 26_000, 128_000)
    classes = population.real.labels[population.triples] @ torch.tensor([100, 10, 1])
    assert classes.unique().numel() == 1000
    again = datasets.StackedMnist().load(real_root)
    assert torch.equal(again.triples, population.triples)
    assert torch.equal(again.reference(10), population.reference(10))
    assert population.fingerprint != datasets.Mnist().load(real_root).fingerprint


@pytest.mark.parametrize(
    "dataset", [datasets.Mnist, datasets.FashionMnist, datasets.StackedMnist], ids=lambda d: d.name
)
def test_missing_mnist_names_the_path_and_the_command(dataset, tmp_path):
    folder, fetched = ("FashionMNIST", "fashion-mnist") if dataset is datasets.FashionMnist else ("MNIST", "mnist")
    file = tmp_path / folder / "raw" / "train-images-idx3-ubyte"
    with refused(DataError, subject=file, code="missing", remedy=f"ganbench data fetch {fetched}"):
        dataset().load(tmp_path)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda b: b[:-1], "size"),
        (lambda b: b"", "size"),
        (lambda b: b"\0" + b[1:-1] + bytes([b[-1] ^ 1]), "checksum"),
        (lambda b: b"\1" + b[1:], "header"),
    ],
    ids=["truncated", "empty", "flipped bit", "header"],
)
def test_broken_mnist_names_the_file_and_the_fault(linked, change, code):
    root, rewrite = linked
    datasets.Mnist().load(root)
    rewrite("t10k-labels-idx1-ubyte", change)
    file = root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    with refused(DataError, subject=file, code=code, remedy="ganbench data fetch mnist"):
        datasets.Mnist().load(root)


def write_fashion(root: Path, **_: object) -> None:
    """Black clothes, in files with the right headers and sizes; what is there already stays, as with torchvision."""
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for file in MNIST_FILES:
        n = 60_000 if file.startswith("train") else 10_000
        header = struct.pack(">4I", 0x803, n, 28, 28) if "images" in file else struct.pack(">2I", 0x801, n)
        if not (raw / file).exists():
            (raw / file).write_bytes(header)
            os.truncate(raw / file, len(header) + n * (784 if "images" in file else 1))


def test_fashion_mnist_loads_and_checks_its_headers(tmp_path):
    write_fashion(tmp_path)
    population = datasets.FashionMnist().load(tmp_path)
    assert population.real.images.shape == (60_000, 1, 28, 28)
    assert len(population.held_out) == 10_000
    labels = tmp_path / "FashionMNIST" / "raw" / "train-labels-idx1-ubyte"
    with labels.open("r+b") as file:
        file.write(b"\xff")
    with refused(DataError, subject=labels, code="header"):
        datasets.FashionMnist().load(tmp_path)


def test_fetch_replaces_broken_files_and_only_those(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", write_fashion)
    write_fashion(tmp_path)
    raw = tmp_path / "FashionMNIST" / "raw"
    os.truncate(raw / "t10k-labels-idx1-ubyte", 100)
    whole = (raw / "t10k-images-idx3-ubyte").stat()
    datasets.FashionMnist().fetch(tmp_path)
    datasets.FashionMnist().load(tmp_path)
    assert (raw / "t10k-images-idx3-ubyte").stat().st_ino == whole.st_ino
    assert (raw / "t10k-images-idx3-ubyte").stat().st_mtime_ns == whole.st_mtime_ns


def test_stacked_mnist_fetches_mnist(tmp_path, monkeypatch):
    fetched = []
    monkeypatch.setattr(datasets.Mnist, "fetch", lambda self, root: fetched.append(root))
    datasets.StackedMnist().fetch(tmp_path)
    assert fetched == [tmp_path]


@pytest.mark.parametrize(
    ("dataset", "cls", "files"),
    [
        (datasets.Mnist, "MNIST", [f"MNIST/raw/{file}" for file in MNIST_FILES]),
        (datasets.Cifar10, "CIFAR10", ["cifar-10-batches-py/data_batch_1", "cifar-10-batches-py/batches.meta"]),
        (datasets.Celeba, "CelebA", ["celeba/img_align_celeba.zip", "celeba/list_attr_celeba.txt"]),
    ],
    ids=["mnist", "cifar10", "celeba"],
)
def test_a_failed_download_is_one_sentence_that_says_which_files_belong_where(
    dataset, cls, files, tmp_path, monkeypatch
):
    def fail(self, *args, **kwargs):
        raise RuntimeError("Error downloading it:\nTried one mirror\nTried another")

    monkeypatch.setattr(getattr(torchvision.datasets, cls), "__init__", fail)
    with refused(DataError, subject=dataset.name, code="download") as caught:
        dataset().fetch(tmp_path)
    assert all(part in str(caught.value) for part in ("Error downloading it: Tried one mirror", str(tmp_path), *files))


# ------------------------------------------------------------------------------------------------- CIFAR-10, CelebA


class FakeCifar:
    """torchvision's CIFAR10 with files that hold nothing."""

    base_folder = "cifar-10-batches-py"
    train_list = (("data_batch_1", "d41d8cd98f00b204e9800998ecf8427e"),)  # the checksum of no bytes
    test_list = (("test_batch", "d41d8cd98f00b204e9800998ecf8427e"),)
    meta = MappingProxyType({"filename": "batches.meta", "md5": "d41d8cd98f00b204e9800998ecf8427e"})

    def __init__(self, root, train=True, download=False):
        n = 6 if train else 4
        self.data = np.arange(n * 32 * 32 * 3, dtype=np.uint64).astype(np.uint8).reshape(n, 32, 32, 3)
        self.targets = list(range(n))


@pytest.fixture
def cifar_root(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", FakeCifar)
    (tmp_path / FakeCifar.base_folder).mkdir()
    for file in ("data_batch_1", "test_batch", "batches.meta"):
        (tmp_path / FakeCifar.base_folder / file).touch()
    return tmp_path


def test_cifar_has_its_channels_first(cifar_root):
    population = datasets.Cifar10().load(cifar_root)
    assert (population.sample_shape, population.n_modes, population.n_samples) == ((3, 32, 32), 10, 10_000)
    pixel = population.take(torch.tensor([2]))[0, :, 5, 7]
    assert ((pixel + 1) * 127.5).round().tolist() == FakeCifar(None).data[2, 5, 7].tolist()
    assert population.real.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert len(population.held_out) == 4


@pytest.mark.parametrize("file", ["data_batch_1", "test_batch", "batches.meta"])
def test_broken_cifar_names_the_file_and_the_command(cifar_root, file):
    path = cifar_root / FakeCifar.base_folder / file
    path.write_bytes(b"x")
    with refused(DataError, subject=path, code="checksum", remedy="ganbench data fetch cifar10"):
        datasets.Cifar10().load(cifar_root)
    path.unlink()
    with refused(DataError, subject=path, code="missing", remedy="ganbench data fetch cifar10"):
        datasets.Cifar10().load(cifar_root)


class FakeCelebA:
    """torchvision's CelebA with four faces."""

    base_folder = "celeba"
    file_list = ((None, "", "img_align_celeba.zip"), (None, "d41d8cd98f00b204e9800998ecf8427e", "identity_CelebA.txt"))

    def __init__(self, root, split="train", target_type=(), download=False):
        self.filename = ["0.jpg", "1.jpg", "2.jpg"] if split == "train" else ["3.jpg"]


@pytest.fixture
def celeba_root(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets, "CelebA", FakeCelebA)
    monkeypatch.setattr("ganbench.datasets.torchvision_sets.FACES", 4)
    (tmp_path / "celeba" / "img_align_celeba").mkdir(parents=True)
    (tmp_path / "celeba" / "identity_CelebA.txt").touch()
    for i in range(4):
        Image.new("RGB", (178, 218), (60 * i, 0, 0)).save(tmp_path / "celeba" / "img_align_celeba" / f"{i}.jpg")
    return tmp_path


def test_celeba_is_decoded_once(celeba_root):
    population = datasets.Celeba().load(celeba_root)
    assert (population.sample_shape, population.n_modes, population.n_samples) == ((3, 64, 64), 0, 10_000)
    assert population.real.images[:, 0, 9, 9].tolist() == pytest.approx([0, 60, 120], abs=3)
    assert population.held_out.images[:, 0, 9, 9].tolist() == pytest.approx([180], abs=3)
    pictures = [celeba_root / "celeba" / "img_align_celeba" / f"{i}.jpg" for i in range(4)]
    for file in pictures:
        file.write_bytes(b"")
    assert datasets.Celeba().load(celeba_root).fingerprint == population.fingerprint
    with refused(DataError, subject=pictures[0], code="unreadable"):
        datasets.Celeba(size=32).load(celeba_root)
    os.truncate(celeba_root / "celeba" / "ganbench-train-64.npy", 1000)
    with refused(DataError, subject=pictures[0], code="unreadable"):
        datasets.Celeba().load(celeba_root)


def test_incomplete_celeba_says_what_is_wrong(celeba_root):
    folder = celeba_root / "celeba" / "img_align_celeba"
    (folder / "2.jpg").unlink()
    with refused(DataError, subject=folder, code="size", remedy="ganbench data fetch celeba"):
        datasets.Celeba().load(celeba_root)
    names = celeba_root / "celeba" / "identity_CelebA.txt"
    names.write_text("cut off")
    with refused(DataError, subject=names, code="checksum", remedy="ganbench data fetch celeba"):
        datasets.Celeba().load(celeba_root)
    with refused(SettingError, component="celeba", field="size", got=0):
        datasets.Celeba(size=0).load(celeba_root)


# --------------------------------------------------------------------------------------------------- image-folder


def test_folder_reads_what_people_have(tmp_path):
    (tmp_path / "sub").mkdir()
    Image.new("L", (20, 10), 100).save(tmp_path / "a-grey.png")
    Image.new("RGBA", (8, 8), (200, 100, 50, 0)).save(tmp_path / "b-transparent.png")
    Image.new("RGB", (100, 30), (10, 20, 30)).save(tmp_path / "c-wide.PPM")
    Image.fromarray(np.full((9, 9), 1, np.uint8)).convert("P").save(tmp_path / "d-palette.gif")
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "e-sixteen.png")
    Image.new("RGB", (8, 16), (255, 255, 255)).save(tmp_path / "sub" / "f.bmp")
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".g.png").write_text("hidden")
    population = datasets.ImageFolder(str(tmp_path), size=8).load(NOWHERE)
    assert (population.sample_shape, population.n_modes, population.n_samples) == ((3, 8, 8), 0, 6)
    middles = population.real.images[:, :, 4, 4].tolist()
    assert middles == [[100] * 3, [0] * 3, [10, 20, 30], [1] * 3, [40_000 >> 8] * 3, [255] * 3]


def test_folder_resizes_the_shorter_side_and_cuts_the_middle_out(tmp_path):
    pixels = np.zeros((16, 48, 3), np.uint8)
    pixels[:, 16:32] = 255  # three squares of 16, the middle one white
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    Image.fromarray(pixels.transpose(1, 0, 2)).save(tmp_path / "tall.png")
    real = datasets.ImageFolder(str(tmp_path), size=8).load(NOWHERE).real.images
    assert real.shape == (2, 3, 8, 8)
    assert real[:, :, 2:6, 2:6].min() == 255
    assert real.min() > 128  # antialiasing mixes in what lies just outside


def test_folder_names_the_broken_file(tmp_path):
    Image.new("RGB", (40, 40), (9, 9, 9)).save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    for content in (b"", b"no image at all", whole[: len(whole) // 2]):
        (tmp_path / "b.jpg").write_bytes(content)
        with refused(DataError, subject=tmp_path / "b.jpg", code="unreadable"):
            datasets.ImageFolder(str(tmp_path)).load(NOWHERE)


def test_folder_without_images_is_refused(tmp_path):
    remedy = "--set image-folder.path=FOLDER"
    with refused(DataError, subject=tmp_path, code="empty", remedy=remedy):
        datasets.ImageFolder(str(tmp_path)).load(NOWHERE)
    with refused(DataError, subject=tmp_path / "absent", code="missing", remedy=remedy):
        datasets.ImageFolder(str(tmp_path / "absent")).load(NOWHERE)
    with refused(UsageError, subject="image-folder.path", remedy=remedy):
        datasets.ImageFolder().load(NOWHERE)
    with refused(UsageError, subject="image-folder.size", remedy=remedy):
        datasets.ImageFolder(str(tmp_path), size=0).load(NOWHERE)


def test_pictures_are_kept_only_where_that_is_possible(tmp_path):
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "a.png")
    read = pictures.read_pictures_once([tmp_path / "a.png"], 8, tmp_path / "absent" / "kept.npy")
    assert read.shape == (1, 3, 8, 8)
    pictures.read_pictures_once([tmp_path / "a.png"], 8, tmp_path / "kept.npy")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "kept.npy"]
