"""The door: what comes in, what is kept out, and what is said of it."""

import pytest
from refusals import refused

from ganbench.errors import PluginError, UnknownNameError
from ganbench.interfaces import hookspecs
from ganbench.plugins.loading import valid_name
from ganbench.plugins.registry import load_plugins

OBJECTIVE = """
from dataclasses import dataclass
from ganbench import Objective, hookimpl

@dataclass(frozen=True)
class Mine(Objective):
    '''A test double.'''
    name = "{name}"

@hookimpl
def ganbench_objectives():
    return [Mine]
"""


def state_of(registry, dist):
    return next(p for p in registry.plugins if p.distribution == dist)


def test_a_third_partys_objective_is_found_by_its_name(entry):
    registry = load_plugins([entry("outside", OBJECTIVE.format(name="mine"))])
    assert registry.objectives.find("mine").__name__ == "Mine"
    assert registry.objectives.find("outside:mine") is registry.objectives.find("mine")
    plugin = state_of(registry, "outside")
    assert (plugin.state, plugin.version, plugin.hooks) == ("loaded", "1.0", ("ganbench_objectives",))


def test_the_first_party_objectives_enter_by_the_same_door():
    registry = load_plugins()
    assert {"gan", "nsgan", "noisegan", "wgan"} <= set(registry.objectives.names())
    for alias, name in {"minimax": "gan", "logd": "nsgan", "instance-noise": "noisegan", "wgan-clip": "wgan"}.items():
        assert registry.objectives.find(alias) is registry.objectives.find(name)
    assert [p.state for p in registry.plugins] == ["loaded"] * len(registry.plugins)


BROKEN = {
    "raises at import": ("raise OSError('no licence')", "OSError"),
    "needs a module": ("import nowhere_to_be_found", "ModuleNotFoundError"),
    "exits": (
        "import sys\nfrom ganbench import hookimpl\n@hookimpl\ndef ganbench_objectives():\n    raise KeyError('x')",
        "KeyError",
    ),
    "misspelt hook": (
        "from ganbench import hookimpl\n@hookimpl\ndef ganbench_objectifs():\n    return []",
        "unknown-hook",
    ),
    "extra argument": (
        "from ganbench import hookimpl\n@hookimpl\ndef ganbench_objectives(config):\n    return []",
        "PluginValidationError",
    ),
    "default argument": (
        "from ganbench import hookimpl\n@hookimpl\ndef ganbench_trial_finished(trial, tables=None):\n    pass",
        "hook-default",
    ),
    "not a list": ("from ganbench import hookimpl\n@hookimpl\ndef ganbench_objectives():\n    return None", "no-list"),
    "not an objective": (
        "from ganbench import hookimpl\n@hookimpl\ndef ganbench_objectives():\n    return [int]",
        "no-subclass",
    ),
    "no name": (
        "from dataclasses import dataclass\nfrom ganbench import Objective, hookimpl\n"
        "@dataclass(frozen=True)\nclass A(Objective):\n    pass\n@hookimpl\ndef ganbench_objectives():\n    return [A]",
        "no-name",
    ),
    "exits at import": ("import sys\nsys.exit(0)", "SystemExit"),
    "exits in its hook": (
        "import sys\nfrom ganbench import hookimpl\n@hookimpl\ndef ganbench_objectives():\n    sys.exit('bye')",
        "SystemExit",
    ),
    "no hook": ("x = 1", "no-hook"),
    "forgotten hookimpl": (
        "def ganbench_objectives():\n    return []",
        "unmarked-hook",
    ),
    "not frozen": (
        "from ganbench import Objective, hookimpl\nclass A:\n    name = 'a'\n"
        "@hookimpl\ndef ganbench_datasets():\n    return [A]",
        "no-subclass",
    ),
}


UNFROZEN = OBJECTIVE.replace("(frozen=True)", "")
FIELD = OBJECTIVE.replace('"{name}"', '"mine"\n    {field}')
UNMADE = {
    "not frozen": (UNFROZEN, "not-frozen"),
    "a list as a default": (FIELD.replace("{field}", "slopes: list = [0.2]"), "mutable-default"),
    "no default behind a default": (FIELD.replace("{field}", "slope: float"), "no-default"),
}


@pytest.mark.parametrize("case", UNMADE)
def test_a_class_that_python_refuses_to_make_is_told_what_to_write(entry, case):
    source, code = UNMADE[case]
    plugin = state_of(load_plugins([entry("broken", source)]), "broken")
    assert (plugin.state, plugin.code) == ("broken", code)
    assert "third_party_broken_plugin.py" in plugin.error
    assert not plugin.error.startswith(("TypeError", "ValueError"))


REFUSED = {
    "dot": "wgan-v1.5",
    "colon": "a:b",
    "comma": "a,b",
    "equals": "a=b",
    "bracket": "a[b]",
    "space": "a b",
    "capital": "Wgan",
    "empty": "",
    "long": "a" * 81,
    "newline": "a\nb",
    "trailing newline": "a\n",
    "escape": "a\x1b[31mb",
    "bell": "a\x07b",
    "null": "a\0b",
    "right to left": "a\u202eb",
    "no width": "a\u200bb",
    "letters of another script": "\u0430bc",
    "slash": "../a",
    "backslash": "a\\b",
    "formula": "=1+1",
}


@pytest.mark.parametrize("alias", [False, True], ids=["name", "alias"])
@pytest.mark.parametrize("case", REFUSED)
def test_a_name_that_cannot_be_asked_for_is_refused_with_its_plugin(entry, case, alias):
    names = ("mine", REFUSED[case]) if alias else (REFUSED[case], "other")
    source = OBJECTIVE.replace('"{name}"', f"{names[0]!r}\n    aliases = ({names[1]!r},)")
    plugin = state_of(load_plugins([entry("broken", source)]), "broken")
    assert (plugin.state, plugin.code) == ("broken", "invalid-name")
    assert plugin.error.isprintable()


def test_a_name_that_enters_is_one_that_can_be_set():
    for offers in (load_plugins().objectives, load_plugins().datasets, load_plugins().metrics):
        assert all(valid_name(name) and "." not in name for name in offers.names())


def test_what_a_broken_plugin_says_reaches_a_terminal_as_text(entry):
    source = "raise OSError('\\x1b[2J\\u202elicence\\x07')"
    assert state_of(load_plugins([entry("broken", source)]), "broken").error == ("OSError: \\x1b[2J\\u202elicence\\x07")


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_listed_with_its_error_and_blocks_nothing(entry, case):
    source, code = BROKEN[case]
    registry = load_plugins([entry("broken", source), entry("healthy", OBJECTIVE.format(name="mine"))])
    plugin = state_of(registry, "broken")
    assert (plugin.state, plugin.code) == ("broken", code)
    assert plugin.error.splitlines() == [plugin.error]
    assert registry.objectives.names() == ["mine"]


@pytest.mark.parametrize(
    ("requires", "state"),
    [
        ("ganbench>=99", "outdated"),
        ("GANbench<0.1", "outdated"),
        ("ganbench>=0.1", "loaded"),
        ("ganbench", "loaded"),
        ("ganbench>=99; python_version < '3'", "loaded"),
        ("ganbench>=99; extra == 'all'", "loaded"),
        ("ganbench-other>=99", "loaded"),
        ("no requirement at all !", "broken"),
    ],
)
def test_a_plugin_made_for_another_ganbench_is_outdated_and_left_out(entry, requires, state):
    third = entry("outside", OBJECTIVE.format(name="mine"), requires=["torch>=1", requires])
    registry = load_plugins([third, entry("healthy", OBJECTIVE.format(name="other"))])
    plugin = state_of(registry, "outside")
    assert plugin.state == state
    assert registry.objectives.names() == (["mine", "other"] if state == "loaded" else ["other"])
    if state == "outdated":
        assert plugin.code == "version"
        assert requires.lower() in plugin.error


def test_a_hook_that_is_no_more_makes_a_plugin_outdated(entry, monkeypatch):
    monkeypatch.setitem(hookspecs.RETIRED, "ganbench_losses", "implement ganbench_objectives")
    source = "from ganbench import hookimpl\n@hookimpl\ndef ganbench_losses():\n    return []"
    plugin = state_of(load_plugins([entry("old", source)]), "old")
    assert (plugin.state, plugin.code) == ("outdated", "retired-hook")
    assert all(name in plugin.error for name in ("ganbench_losses", "ganbench_objectives"))


def test_a_clash_is_remarked_where_plugins_are_listed(entry):
    entries = [entry(dist, OBJECTIVE.format(name="mine")) for dist in ("first", "second")]
    registry = load_plugins([*entries, entry("third", OBJECTIVE.format(name="other"))])
    assert [state_of(registry, name).code for name in ("first", "second", "third")] == ["clash", "clash", ""]
    assert [state_of(registry, name).state for name in ("first", "second", "third")] == ["loaded"] * 3
    assert "first:mine" in state_of(registry, "first").error
    assert state_of(registry, "third").error == ""


def test_one_distribution_that_offers_a_name_twice_is_told_to_rename_one(entry):
    entries = [entry("twin", OBJECTIVE.format(name="mine"), name=name) for name in ("a", "b")]
    with refused(PluginError, subject="twin", code="twice"):
        load_plugins(entries).objectives.find("mine")


def test_two_plugins_with_one_name_stop_only_who_asks_for_it(entry):
    entries = [entry(dist, OBJECTIVE.format(name="mine")) for dist in ("first", "second")]
    registry = load_plugins([*entries, entry("third", OBJECTIVE.format(name="other"))])
    with refused(PluginError, subject="mine", code="clash", remedy="first:mine or second:mine"):
        registry.objectives.find("mine")
    assert registry.objectives.find("second:mine").__module__.startswith("third_party_second")
    assert registry.objectives.find("other")


def test_an_unknown_name_suggests_the_nearest():
    with refused(UnknownNameError, kind="objective", name="wagn", suggestion="wgan", option="--objectives") as caught:
        load_plugins().objectives.find("wagn", "--objectives")
    assert str(caught.value) == "--objectives: unknown objective 'wagn'; did you mean 'wgan'?"


@pytest.mark.parametrize(
    ("technique", "architectures"),
    [
        ("pacgan", "dcgan-pac or mlp-pac"),
        ("PacGAN", "dcgan-pac or mlp-pac"),
        ("minibatch-discrimination", "dcgan-minibatch or mlp-minibatch"),
        ("vbn", "dcgan-vbn"),
    ],
)
def test_who_looks_for_a_loss_and_means_the_networks_is_told(technique, architectures):
    with refused(UnknownNameError, kind="objective", name=technique) as caught:
        load_plugins().objectives.find(technique, "--objectives")
    assert caught.value.remedy.endswith(f"--architectures {architectures}")


def test_a_technique_hides_no_objective():
    registry = load_plugins()
    names = {name for cls in registry.objectives for name in (cls.name, *cls.aliases)}
    assert not names & set(registry.objectives.elsewhere)


@pytest.mark.parametrize(
    ("allowed", "states"), [("off", "disabled"), ("other", "disabled"), ("outside", "loaded"), ("", "loaded")]
)
def test_the_environment_says_which_plugins_are_loaded(entry, monkeypatch, allowed, states):
    monkeypatch.setenv("GANBENCH_PLUGINS", allowed)
    registry = load_plugins([entry("outside", OBJECTIVE.format(name="mine"))])
    assert state_of(registry, "outside").state == states


def test_ganbenchs_own_plugins_cannot_be_turned_off(monkeypatch):
    monkeypatch.setenv("GANBENCH_PLUGINS", "off")
    assert "gan" in load_plugins().objectives.names()
