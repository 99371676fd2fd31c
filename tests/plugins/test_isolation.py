"""Global state: what code of a plugin changes of it is put back and reported; what it prints is no output."""

import json
import locale
import os
import random
import signal
import subprocess
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ganbench_objectives.gan import Minimax
from ganbench_objectives.wgan import WassersteinClip
from refusals import remarked

from ganbench.interfaces.executor import RunContext
from ganbench.interfaces.metric import Metric
from ganbench.metrics import Modes
from ganbench.networks import Mlp
from ganbench.plugins.build import build, load_population
from ganbench.plugins.isolation import STATES, guarded, isolated, preserved, set_precision
from ganbench.plugins.loading import PluginFile, read_plugin_files
from ganbench.plugins.registry import load_plugins
from ganbench.runner import cohort_run
from ganbench.study.config import StudyConfig
from ganbench.study.provenance import machine
from ganbench.study.study import make_study

DTYPE = "torch's default dtype"


def change_locale():
    locale.setlocale(locale.LC_NUMERIC, "C.UTF-8" if locale.setlocale(locale.LC_NUMERIC) == "C" else "C")


def change_and_raise():
    with isolated("it", lambda text: None):
        torch.set_default_dtype(torch.float64)
        raise SystemExit


def append_filter():
    warnings.filters.append(("error", None, UserWarning, None, 0))


def replace_stdout():
    sys.stdout = sys.__stdout__ if sys.stdout is not sys.__stdout__ else sys.__stderr__


# By state: code that changes it, several where there are several ways.
DISTURBANCES = {
    DTYPE: [lambda: torch.set_default_dtype(torch.float64)],
    "torch's default device": [lambda: torch.set_default_device("meta")],
    "torch's float32 matmul precision": [
        lambda: torch.set_float32_matmul_precision("high"),
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", not torch.backends.cuda.matmul.allow_tf32),
        lambda: setattr(torch.backends.cudnn, "allow_tf32", not torch.backends.cudnn.allow_tf32),
        lambda: setattr(torch.backends, "fp32_precision", "tf32"),
        lambda: setattr(torch.backends.cudnn.conv, "fp32_precision", "ieee"),
        lambda: setattr(torch.backends.mkldnn.matmul, "fp32_precision", "bf16"),
    ],
    "torch's float16 accumulation": [
        lambda: setattr(torch.backends.cuda.matmul, "allow_fp16_reduced_precision_reduction", False)
    ],
    "torch's determinism": [
        lambda: torch.use_deterministic_algorithms(True, warn_only=True),
        lambda: setattr(torch.utils.deterministic, "fill_uninitialized_memory", False),
    ],
    "torch's cuDNN settings": [
        lambda: setattr(torch.backends.cudnn, "benchmark", True),
        lambda: setattr(torch.backends.cudnn, "deterministic", True),
    ],
    "torch's oneDNN settings": [lambda: setattr(torch.backends.mkldnn, "enabled", False)],
    "torch's einsum settings": [
        lambda: setattr(torch.backends.opt_einsum, "enabled", not torch.backends.opt_einsum.enabled)
    ],
    "torch's attention kernels": [lambda: torch.backends.cuda.enable_flash_sdp(False)],
    "torch's number of threads": [lambda: torch.set_num_threads(torch.get_num_threads() + 1)],
    "torch's treatment of denormals": [lambda: torch.set_flush_denormal(True)],
    "torch's gradient mode": [lambda: torch.set_grad_enabled(False)],
    "torch's anomaly detection": [lambda: torch.autograd.set_detect_anomaly(True)],
    "torch's autocast": [
        lambda: torch.set_autocast_enabled("cpu", True),
        lambda: torch.set_autocast_dtype("cpu", torch.float16),
    ],
    "random number generators": [
        lambda: random.seed(1), lambda: np.random.seed(1), lambda: torch.manual_seed(1), lambda: torch.rand(1),
    ],
    "NumPy's error state": [lambda: np.seterr(all="raise"), lambda: np.seterrcall(print)],
    "NumPy's print options": [lambda: np.set_printoptions(precision=2)],
    "warning filters": [lambda: warnings.simplefilter("error"), append_filter],
    "the current folder": [lambda: os.chdir("/")],
    "environment variables": [
        lambda: os.environ.update(HOSTILE="1"), lambda: os.environ.pop("XDG_CACHE_HOME"),
        lambda: os.environ.update(XDG_CACHE_HOME="elsewhere"),
    ],
    "the locale": [change_locale],
    "signal handlers": [
        lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2}),
    ],
    "standard streams": [replace_stdout],
}  # fmt: skip
WITHOUT_A_GPU = {"the current CUDA device"}


def test_every_state_has_a_disturbance():
    assert {state.name for state in STATES} - WITHOUT_A_GPU == set(DISTURBANCES)


@pytest.mark.parametrize(
    ("name", "disturb"), [pytest.param(n, d, id=f"{n}-{k}") for n, ds in DISTURBANCES.items() for k, d in enumerate(ds)]
)
def test_what_is_changed_is_put_back_and_named(name, disturb):
    (state,) = [state for state in STATES if state.name == name]
    before, sentences = [s.get() for s in STATES], []
    with isolated("the plugin", sentences.append) as changed:
        inside = state.get()  # standard output is another one in the block
        disturb()
        assert state.get() != inside
    assert [s.name for s, value in zip(STATES, before, strict=True) if s.get() != value] == []
    assert changed == ([name] if state.named else [])
    assert len(sentences) == len(changed)
    assert all(text.startswith(f"the plugin changed {name}") for text in sentences)


def test_code_that_raises_is_put_back_as_well():
    with pytest.raises(SystemExit):
        change_and_raise()
    assert torch.get_default_dtype() == torch.float32


def test_what_cannot_be_put_back_keeps_nothing_else_from_it(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    os.chdir(folder)
    with isolated("it", lambda text: None) as changed:
        os.chdir(tmp_path)
        folder.rmdir()
        os.environ["HOSTILE"] = "1"
    assert "HOSTILE" not in os.environ
    assert changed == ["the current folder (which cannot be put back: FileNotFoundError)", "environment variables"]


def test_variables_of_libraries_stay_as_these_have_set_them(monkeypatch):
    monkeypatch.setenv("KMP_INIT_AT_FORK", "TRUE")
    with isolated("it") as changed:
        os.environ["KMP_INIT_AT_FORK"] = "FALSE"
    assert (os.environ["KMP_INIT_AT_FORK"], changed) == ("FALSE", [])


def test_without_a_listener_a_change_is_a_warning():
    with remarked(subject="it", code="state", details=("NumPy's error state",)), isolated("it"):
        np.seterr(all="ignore")


def test_a_library_that_is_imported_meanwhile_may_set_its_warnings(monkeypatch, tmp_path):
    """They are put back, but are no fault of the plugin; what the plugin sets without an import is."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "library_with_filters.py").write_text("import warnings\nwarnings.simplefilter('ignore')\n")
    for module, named in (("its_plugin", []), ("library_with_filters", ["warning filters"])):
        before = list(warnings.filters)
        with isolated("it", lambda text: None, module) as changed:
            import library_with_filters  # noqa: F401
        assert list(warnings.filters) == before
        assert changed == named
        del sys.modules["library_with_filters"]


def test_standard_output_goes_to_standard_error(capfd):
    with isolated("it"):
        print("PYTHON")
        os.write(1, b"LIBRARY\n")
        subprocess.run([sys.executable, "-S", "-c", "print('CHILD')"], check=True)
    print("afterwards")
    os.write(1, b"below\n")
    out, err = capfd.readouterr()
    assert set(out.split("\n")) == {"afterwards", "below", ""}
    assert set(err.split("\n")) == {"PYTHON", "LIBRARY", "CHILD", ""}


def test_a_closed_descriptor_is_left_alone(monkeypatch):
    def closed(*args):
        raise OSError("bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    with isolated("it") as changed:
        pass
    assert changed == []


# -- wherever code of a plugin runs ------------------------------------------------------------------------------------

HOSTILE = """
import os
from dataclasses import dataclass
import numpy as np
import torch
from ganbench import Objective, hookimpl, softplus
{at_import}

@dataclass(frozen=True)
class Hostile(Objective):
    "Changes what it can."
    name = "hostile"
    def __post_init__(self):
        {at_construction}
    def critic_loss(self, critic, real, fake, draw):
        {in_loss}
        return softplus(-critic(real)).mean() + softplus(critic(fake)).mean()
    def generator_loss(self, critic, real, fake, draw):
        return -softplus(critic(fake)).mean()

@hookimpl
def ganbench_objectives():
    {in_hook}
    return [Hostile]
"""
SETS = "torch.set_default_dtype(torch.float64); print('set')"
PLACES = ("at_import", "in_hook", "at_construction", "in_loss")


def hostile(place="", code=SETS, path="/nowhere/hostile.py"):
    return PluginFile(path, HOSTILE.format(**{name: code if name == place else "pass" for name in PLACES}))


@pytest.mark.parametrize("place", ["at_import", "in_hook"])
def test_a_plugins_import_is_isolated_and_the_plugin_named(place, capfd):
    registry = load_plugins([], files=[hostile(place, SETS + "; np.seterr(all='raise')")])
    (plugin,) = registry.plugins
    assert (plugin.state, plugin.changed) == ("loaded", (DTYPE, "NumPy's error state"))
    assert capfd.readouterr() == ("", "set\n")


def test_one_that_changes_something_and_then_fails_is_named_for_both():
    registry = load_plugins([], files=[hostile()])
    assert registry.plugins[0].changed == ()
    from ganbench.plugins.loading import load_file

    plugin = load_file(registry.manager, hostile("at_import", f"{SETS}; raise OSError('no licence')"))
    assert (plugin.state, plugin.changed) == ("broken", (DTYPE,))
    assert "no licence" in plugin.remark()
    assert DTYPE in plugin.remark()


@pytest.mark.parametrize("command", [("plugins",), ("list", "objectives"), ("plugin", "check")])
def test_output_for_programs_is_the_answer_alone(call, tmp_path, command):
    """What is printed below Python, and by child processes, is looked at above."""
    file = tmp_path / "hostile.py"
    noisy = hostile("at_import", SETS).source.replace("        pass\n", "        print('noise')\n")
    file.write_text(f"# {command}, as the same text is imported once\n{noisy}")
    words = [*command, str(file)] if command == ("plugin", "check") else [*command, "--plugin", str(file)]
    code, out, err = call(*words, "--json")
    assert code in (0, 1) if command[-1] == "check" else code == 0, err
    assert isinstance(json.loads(out), list)
    assert "set" in err
    if command == ("plugins",):
        (row,) = [row for row in json.loads(out) if row["name"] == "hostile"]
        assert DTYPE in row["error"]
        assert set(row) == {"name", "distribution", "version", "state", "hooks", "error", "file"}


def test_construction_is_isolated():
    (cls,) = load_plugins([], files=[hostile("at_construction")]).objectives
    with remarked(code="state", details=(DTYPE,)) as remarks:
        build(cls, {})
    assert "'hostile'" in remarks[0].subject
    assert torch.get_default_dtype() == torch.float32


def test_ganbenchs_own_classes_cost_nothing():
    with guarded(Modes(), "metric") as changed, guarded(Mlp, "making"):
        torch.set_default_dtype(torch.float64)
    assert torch.get_default_dtype() == torch.float64  # not looked at
    torch.set_default_dtype(torch.float32)
    assert changed == []


def test_loading_data_is_isolated(tmp_path):
    class Shouting:
        name = "shouting"

        def load(self, root):
            torch.set_default_dtype(torch.float64)
            return root

    with remarked(code="state", details=(DTYPE,)) as remarks:
        assert load_population(Shouting(), tmp_path) == tmp_path
    assert "'shouting'" in remarks[0].subject


def test_metrics_are_isolated():
    from ganbench.metrics.suite import IdentityEvaluator, MetricSuite

    @dataclass(frozen=True)
    class Loud(Metric):
        name, direction, unit = "loud", "lower", ""

        def value(self, fake, real):
            np.seterr(all="raise")
            return 1.0

    points = torch.zeros(4, 2)
    suite = MetricSuite(IdentityEvaluator(), [Loud()], IdentityEvaluator().measure(points), 4)
    with remarked(code="state", details=("NumPy's error state",)) as remarks:
        (row,) = suite.examine(points)
    assert "'loud'" in remarks[0].subject
    assert row["value"] == 1.0


@pytest.mark.parametrize("before", ["highest", "high", "medium"])
@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_what_was_set_before_decides_nothing_about_tf32(before, precision):
    """Of PyTorch's two interfaces the older one raises where they contradict each other; recording must not."""
    with preserved():
        torch.set_float32_matmul_precision(before)
        torch.backends.fp32_precision = "tf32"
        set_precision(precision)
        wanted = precision == "tf32"
        assert torch.backends.cuda.matmul.allow_tf32 is wanted
        assert torch.backends.cudnn.allow_tf32 is wanted
        found = machine()
        assert (found["matmul_precision"], found["cudnn_tf32"]) == ("high" if wanted else "highest", wanted)
        torch.backends.cuda.matmul.fp32_precision = "ieee"
        torch.backends.mkldnn.matmul.fp32_precision = "tf32"
        assert machine()["matmul_precision"] == "highest"


def test_a_cohorts_own_settings_end_with_it(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(cohort_run, "_run_trials", lambda *_: [torch.get_num_threads(), torch.get_num_threads()])
    request = StudyConfig(objectives=("gan",), datasets=("ring",), seeds=(0,), steps=2)
    spec = make_study(request, load_plugins(), Path("data")).cohorts[0]
    found = cohort_run.run_cohort(spec, RunContext("out", "data", "cpu", threads=before + 3), lambda step: None)
    assert found == [before + 3] * 2
    assert torch.get_num_threads() == before


@pytest.mark.slow
def test_one_cohort_changes_nothing_of_the_next_in_its_process(tmp_path):
    """The next one is `gan`, whose numbers are those of a process in which nothing was changed."""
    from agreement import same, tables

    code = "torch.set_default_dtype(torch.float64); torch.set_num_threads(3); print('noise')"
    files = read_plugin_files([write(tmp_path, hostile("in_loss", code))])
    said = []
    for out, names in (("after", ("hostile", "gan")), ("alone", ("gan",))):
        request = StudyConfig(
            objectives=names, datasets=("ring",), seeds=(0, 1), steps=4, batch_size=8, n_samples=20, probe=False,
            out=str(tmp_path / out),
        )  # fmt: skip
        study = make_study(request, load_plugins(files=files), tmp_path)
        context = RunContext(str(tmp_path / out), str(tmp_path), "cpu", threads=1, plugins=files)
        study.store().open()
        study.store().begin({"trials": [trial.id for trial in study.trials()]})
        for cohort in study.cohorts:
            callbacks = replace(cohort_run.Callbacks(lambda step: None), say=said.append)
            outcomes = cohort_run.run_cohort(cohort, context, callbacks)
            assert cohort.objective.name == "hostile" or [o.status for o in outcomes] == ["completed"] * 2
    same(tables(tmp_path / "after", ["gan"]), tables(tmp_path / "alone"))
    assert [text for text in said if DTYPE in text and "torch's number of threads" in text]


def write(folder, file):
    path = folder / Path(file.path).name
    path.write_text(file.source)
    return path


def test_first_party_objectives_change_nothing():
    for cls in (Minimax, WassersteinClip):
        with preserved() as changed:
            build(cls, {})
        assert changed == []
