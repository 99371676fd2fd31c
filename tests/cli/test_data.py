"""``ganbench data fetch``: what is brought, what needs not be, and what is said without a network."""

import sys
import urllib.error

import pytest
import torch

from ganbench import datasets
from ganbench.cli import app


@pytest.fixture
def fetch(monkeypatch, capsys):
    """Runs the command; gives exit code, standard output and standard error."""

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["ganbench", "data", "fetch", *args])
        code = 0
        try:
            app.main()
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("name", ["ring", "digits", "image-folder", "8gaussians"])
def test_what_is_no_download_says_so(fetch, name):
    code, out, err = fetch(name)
    assert (code, err) == (0, "")
    assert out == f"{'ring' if name == '8gaussians' else name} needs no download\n"


def test_a_dataset_goes_to_the_data_root(fetch, monkeypatch, tmp_path):
    roots = []
    monkeypatch.setattr(datasets.Mnist, "fetch", lambda self, root: roots.append(root))
    assert fetch("mnist", "--data-root", "here")[:2] == (0, f"mnist is in {tmp_path / 'here'}\n")
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_path / "there"))
    fetch("stacked-mnist")
    monkeypatch.delenv("GANBENCH_DATA")
    fetch("mnist")
    assert roots == [tmp_path / "here", tmp_path / "there", tmp_path / "cache" / "ganbench" / "data"]


def test_offline_one_sentence_says_which_files_belong_where(fetch, monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", offline)
    code, out, err = fetch("mnist", "--data-root", str(tmp_path))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "mnist could not be downloaded (" in err
    assert "no route to host" in err
    assert "MNIST/raw/train-images-idx3-ubyte, MNIST/raw/train-labels-idx1-ubyte" in err
    assert f"into {tmp_path} by hand" in err


def test_the_weights_of_inception_are_fetched_by_its_name(fetch, monkeypatch, tmp_path):
    monkeypatch.setattr("ganbench.cli.data.inception", lambda download: None)
    assert fetch("inception-v3-compat")[0] == 0


def test_offline_the_weights_of_inception_are_one_sentence_too(fetch, monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    code, _, err = fetch("inception-v3-compat")
    assert code == 2
    assert err.count("\n") == 1
    assert ": save https://github.com/toshas/torch-fidelity/releases/download/" in err
    assert f"as {tmp_path / 'hub' / 'checkpoints'}" in err


def test_a_folder_that_cannot_take_the_data_is_one_sentence(fetch, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = fetch("mnist", "--data-root", str(tmp_path / "file"))
    assert code == 2
    assert err.count("\n") == 1
    assert "mnist could not be downloaded" in err
