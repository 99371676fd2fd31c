"""Turns names and plain values into datasets, architectures and objectives, and back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from ganbench.errors import DataError, PluginError, UnknownNameError, UsageError
from ganbench.interfaces.dataset import Dataset, Population
from ganbench.interfaces.paths import expand_home
from ganbench.plugins.fingerprint import former_hashes, source_hash
from ganbench.plugins.isolation import guarded
from ganbench.plugins.registry import Catalogue
from ganbench.spec import Component, printable


def build(cls: type[Any], values: Mapping[str, Any], where: str = "") -> Any:
    """An instance of a frozen dataclass from plain values, which may be text; dotted keys reach into nested ones.

    Raises:
        UsageError: a field that does not exist, or a value of the wrong type; ``where`` stands in front.
        PluginError: the class itself raises.
    """
    from pydantic import TypeAdapter, ValidationError

    nested: dict[str, Any] = {}
    for key, value in values.items():
        _place(cls, cls.name, nested, key, value, where)
    try:
        with guarded(cls, "making"):
            return TypeAdapter(cls).validate_python(nested)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([cls.name, *map(str, first["loc"])])
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{where + ': ' if where else ''}{place}={first['input']!r}: {message}") from None
    except Exception as error:  # a third party's constructor may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(f"{cls.name!r} cannot be made ({reason}); mend its plugin or leave it out") from error


def _place(cls: type[Any], owner: str, into: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Put a value where its dotted key says, refusing names that are no fields."""
    head, _, rest = key.partition(".")
    known = {f.name: f.default for f in fields(cls)}
    if head not in known:
        names = setting_defaults(cls)
        raise UnknownNameError(f"setting of {owner}", key, names, where, _whole_name(owner, key, names))
    if not rest:
        if is_dataclass(known[head]) and not (isinstance(value, Mapping) or is_dataclass(value)):
            inner = ", ".join(f"{owner}.{head}.{name}" for name in setting_defaults(type(known[head])))
            raise UsageError(f"{where + ': ' if where else ''}{owner}.{head} is not one value; set one of {inner}")
        into[head] = value
        return
    if not is_dataclass(known[head]):
        raise UsageError(f"{where + ': ' if where else ''}{head} has no settings of its own, so {key!r} means nothing")
    current = into.setdefault(head, asdict(known[head]))  # type: ignore[arg-type]
    _place(type(known[head]), f"{owner}.{head}", current, rest, value, where)


def setting_defaults(cls: type[Any]) -> dict[str, Any]:
    """Every setting of a component by its dotted name, as ``--set`` takes it, with its default.

    A setting without a default is left out.
    """
    defaults = {field.name: field.default for field in fields(cls) if field.default is not MISSING}
    return _flat({name: asdict(value) if is_dataclass(value) else value for name, value in defaults.items()})  # type: ignore[arg-type]


def _whole_name(owner: str, key: str, names: Iterable[str]) -> str:
    """What to say to a user who left out the middle of a dotted name, as in ``wgan.lr``; empty for any other name."""
    meant = [f"'{owner}.{name}'" for name in names if "." in name and name.rpartition(".")[2] == key]
    return f"did you mean {' or '.join(meant)}?" if meant else ""


def variants(
    offers: Catalogue[Any], name: str, settings: Mapping[str, Sequence[Any]], where: str = ""
) -> list[tuple[Component, Any]]:
    """All combinations of the swept settings of one named component, each with the instance it describes."""
    cls = offers.find(name, where)
    combinations = itertools.product(*settings.values())
    return [_variant(offers, cls, dict(zip(settings, values, strict=True)), settings) for values in combinations]


def _variant(
    offers: Catalogue[Any], cls: type[Any], chosen: Mapping[str, Any], swept: Mapping[str, Sequence[Any]]
) -> tuple[Component, Any]:
    instance = build(cls, chosen, "--set")
    default = _flat(asdict(build(cls, {})))
    own = _flat(asdict(instance))
    shown = {k: v for k, v in own.items() if v != default.get(k) or len(swept.get(k, ())) > 1}
    label = cls.name + (f"[{', '.join(f'{k}={v}' for k, v in shown.items())}]" if shown else "")
    label = printable(label)  # settings may be any text, and tables, figures and terminals show it
    shared = len([1 for other in offers if other.name == cls.name]) > 1
    name = f"{offers.origin(cls)}:{cls.name}" if shared else cls.name
    described = asdict(instance)
    place = {key: _absolute(described.pop(key)) for key in getattr(cls, "places", ())}
    component = Component(offers.kind, name, label, described, source_hash(cls), place, former_hashes(cls))
    return component, instance


def _absolute(path: Any) -> str:
    """A path that means the same in every current directory; none stays none."""
    return str(Path(expand_home(str(path))).absolute()) if path else ""


Places = Mapping[str, Mapping[str, str]]  # by the name of a dataset, its fields that say where the data lie now


def read_places(settings: Mapping[str, Sequence[Any]], datasets: Catalogue[Any]) -> Places:
    """Where data have been moved to, from settings such as ``image-folder.path``.

    Raises:
        UsageError: a setting that says something else, or several places for one dataset.
    """
    found: dict[str, dict[str, str]] = {}
    for key, values in settings.items():
        name, _, setting = key.partition(".")
        cls = datasets.find(name, f"--set {key}")
        if setting not in cls.places:
            known = ", ".join(f"{c.name}.{place}" for c in datasets for place in c.places)
            raise UsageError(f"--set {key} would change the trials; here only places of data can be set: {known}")
        if len(values) != 1:
            raise UsageError(f"--set {key} gives {len(values)} places; the data are in one")
        found.setdefault(cls.name, {})[setting] = _absolute(values[0])
    return found


def placed(component: Component, recorded: Mapping[str, Any], moved: Places) -> Component:
    """A stored component with the place of its data: the recorded one, unless they have been moved.

    Args:
        component: as its trial describes it.
        recorded: the trial's ``run.json``.
        moved: where data lie now.
    """
    known = recorded.get("places", {}).get(component.kind, {})
    return replace(component, place={**known, **moved.get(component.name.rpartition(":")[2], {})})


def other_data(component: Component, data_root: Path) -> DataError:
    """The error for data that are not those that a trial was made with."""
    folder, place, option = str(data_root), f"below {data_root}", "--data-root"
    if component.place:
        setting, folder = next(iter(component.place.items()))
        place, option = f"in {folder}", f"--set {component.name}.{setting}=FOLDER"
    return DataError(
        f"{component.label}: the data {place} are not those that the study was made with, so numbers would not "
        f"compare: name the right folder with {option}",
        subject=folder,
        code="data",
        remedy=option,
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return flat


def instantiate(offers: Catalogue[Any], component: Component, origins: Mapping[str, Any] | None = None) -> Any:
    """The instance that a component describes.

    Raises:
        UsageError: nothing answers to its name any more; where it came from, if ``run.json`` says so, is told.
    """
    return build(resolve_stored(offers, component, origins), {**component.fields, **component.place})


def load_population(dataset: Dataset, data_root: Path) -> Population:
    """What a dataset loads from below a folder; global state stays as it is. Raises whatever it raises."""
    with guarded(dataset, "loading"):
        return dataset.load(data_root)


def resolve_stored(offers: Catalogue[Any], component: Component, origins: Mapping[str, Any] | None) -> type[Any]:
    """The class that a stored trial was made with, by name. Raises UsageError as above."""
    try:
        return offers.find(component.name)
    except UnknownNameError:
        origin = (origins or {}).get(component.kind)
        if not origin:
            raise
    file = origin.get("file")
    source = file or f"{origin.get('distribution', '?')} {origin.get('version', '')}".rstrip()
    how = f"name it again with --plugin {file}" if file else "install it again"
    raise UsageError(
        f"{component.kind} {component.name!r} of this study came from {source}, which is not loaded; {how}",
        subject=component.name,
        code="not-loaded",
    )
