"""What a user asks for: the keys of a study file and of the command line, merged, checked and read.

Nothing here imports torch, so that bad input is answered at once.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ganbench.errors import UnknownNameError, UsageError
from ganbench.interfaces.paths import expand_home
from ganbench.spec import PRECISIONS


@dataclass(frozen=True)
class Request:
    """A study as it was asked for.

    Attributes:
        objectives, datasets, architectures: names; no architecture means each dataset's own.
        seeds: distinct integers.
        steps: generator updates.
        batch_size: samples in a batch.
        evaluate_every: steps between evaluations; 0 makes ten of them.
        n_samples: samples in an evaluation; 0 takes the dataset's own number.
        settings: ``name.field`` to the values to sweep.
        probe: whether to do the frozen-generator experiment too.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: of the networks' arithmetic: ``float32``, ``tf32`` or ``bf16``.
        compile: ``on`` or ``off``: whether PyTorch's compiler makes the programs. ``auto`` is accepted and means off.
        jobs: parallel processes; 0 takes one a core.
        executor: which engine runs the cohorts.
        address: of the engine, where it has one.
        gpus_per_cohort: GPUs that each cohort is given by the engine; parts of one are shared.
        cpus_per_cohort: cores that each cohort is given by the engine; 0 takes the engine's own number.
        trial_timeout: seconds that a trial may take, with all seeds it is trained with; 0 lets it run.
        out: the results folder; none is named after the dataset and the architecture.
        data_root: where datasets lie; none takes GANBENCH_DATA or the user's cache.
        plugin: files with plugins that nobody installed.
    """

    objectives: tuple[str, ...] = ("gan", "nsgan", "noisegan", "wgan")
    datasets: tuple[str, ...] = ("digits",)
    architectures: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    steps: int = 2000
    batch_size: int = 64
    evaluate_every: int = 0
    n_samples: int = 0
    settings: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    probe: bool = True
    device: str = "auto"
    precision: str = "float32"
    compile: str = "off"
    jobs: int = 0
    executor: str = "local"
    address: str = ""
    gpus_per_cohort: float = 0.0
    cpus_per_cohort: int = 0
    trial_timeout: float = 0.0
    out: str | None = None
    data_root: str | None = None
    plugin: tuple[str, ...] = ()


QUICK: dict[str, Any] = {"steps": 200, "seeds": (0, 1, 2)}  # what --quick means where nothing else is said

COMPILE = ("auto", "on", "off")

LARGEST = 10**9  # of any whole number in a study but a seed
LARGEST_INTEGER = 2**63 - 1  # what a column of whole numbers holds
MOST_SEEDS = 10_000
LONGEST = 4_000  # characters of a text

# How each key is called by users; a study file takes the same words without the dashes in front.
OPTIONS = {f.name: "set" if f.name == "settings" else f.name.replace("_", "-") for f in fields(Request)}


def make_request(file: Path | None, given: Mapping[str, Any], quick: bool) -> Request:
    """The request of a study file (if any) with the command line's values over it.

    Args:
        file: a TOML study file.
        given: values of the command line by field name; None means not given.
        quick: start from the quick defaults instead of the full ones.

    Raises:
        UsageError: one sentence that names the option, or the file and the line, and what is wanted.
    """
    from_file = _read(file) if file else {}
    quick = quick or from_file.pop("quick", False)
    request = replace(Request(), **(QUICK if quick else {}))
    origin = {name: f"{file}:{line}: {OPTIONS[name]}" for name, (_, line) in from_file.items()} if file else {}
    values = {name: value for name, (value, _) in from_file.items()}
    for name, value in given.items():
        if value is not None:
            values[name], origin[name] = value, f"--{OPTIONS[name]}"
    return replace(request, **{name: _READERS[name](value, origin[name]) for name, value in values.items()})


def _read(file: Path) -> dict[str, Any]:
    """Field name to (value, line); ``quick`` is a bare bool."""
    try:
        text = file.read_text(encoding="utf-8-sig")  # editors on Windows begin a file with a byte-order mark
        content = tomllib.loads(text)
    except FileNotFoundError:
        raise UsageError(f"{file}: there is no such study file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{file}: not a readable TOML file: {error}") from error
    by_option = {option: name for name, option in OPTIONS.items()}
    found: dict[str, Any] = {}
    for key, value in content.items():
        line, option = _line_of(text, key), key.replace("_", "-")
        if option == "quick":
            found["quick"] = _flag(value, f"{file}:{line}: quick")
        elif option in by_option:
            found[by_option[option]] = (value, line)
        else:
            raise UnknownNameError("key", key, [*by_option, "quick"], f"{file}:{line}")
    return found


def _line_of(text: str, key: str) -> int:
    pattern = re.compile(rf"""^\s*(\[+\s*)?["']?{re.escape(key)}["']?\s*[=.\]]""")
    return next((i for i, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{where} is {value!r}; wanted true or false")
    return value


def _names(value: Any, where: str) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(p, str) for p in parts):
        raise UsageError(f"{where} is {value!r}; wanted names, such as gan,wgan")
    names = tuple(p.strip() for p in parts if p.strip())
    if not names:
        raise UsageError(f"{where} is empty; name at least one")
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise UsageError(f"{where} names {twice[0]!r} twice")
    return names


def read_seeds(value: Any, where: str = "--seeds") -> tuple[int, ...]:
    """Seeds from ``5`` (0 to 4), ``3,7``, ``10-19``, or a mixture, or a list of integers.

    Raises:
        UsageError: no seed, a seed twice, one above LARGEST_INTEGER, or something that is no number.
    """
    if len(str(value)) > LONGEST:
        raise UsageError(f"{where} has {len(str(value))} characters; wanted a number of seeds, a list or a range")
    if isinstance(value, list):
        if not all(isinstance(v, int) and not isinstance(v, bool) for v in value):
            raise UsageError(f"{where} is {value!r}; wanted whole numbers")
        return _distinct(tuple(value), where)
    text = str(value).strip()
    if re.fullmatch(r"\d+", text) and not isinstance(value, bool):
        if int(text) < 1:
            raise UsageError(f"{where} is {text}; wanted at least 1 seed (5 means seeds 0 to 4)")
        return tuple(range(_few(int(text), where)))
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        if match is None:
            raise UsageError(f"{where} is {text!r}; wanted a number of seeds (5), a list (3,7) or a range (10-19)")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise UsageError(f"{where}: the range {part.strip()} runs backwards")
        _few(last + 1 - first, where)
        seeds.extend(range(first, last + 1))
    return _distinct(tuple(seeds), where)


def _few(n: int, where: str) -> int:
    if n > MOST_SEEDS:
        raise UsageError(f"{where} asks for {n} seeds; wanted at most {MOST_SEEDS}")
    return n


def _distinct(seeds: tuple[int, ...], where: str) -> tuple[int, ...]:
    twice = sorted({s for s in seeds if seeds.count(s) > 1})
    if twice:
        raise UsageError(f"{where} names seed {twice[0]} twice; every seed is one replication")
    if not seeds or min(seeds) < 0:
        raise UsageError(f"{where} is {list(seeds)}; wanted seeds of 0 or more")
    if max(seeds) > LARGEST_INTEGER:
        raise UsageError(f"{where} names seed {max(seeds)}; wanted seeds of at most {LARGEST_INTEGER}")
    return seeds


def read_whole(least: int) -> Any:
    """A reader of whole numbers from ``least`` to LARGEST; it takes the value and its option, and raises UsageError."""

    def read(value: Any, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UsageError(f"{where} is {value!r}; wanted a whole number of at least {least}")
        if value > LARGEST:
            raise UsageError(f"{where} is {value:.3g}; wanted a whole number of at most {LARGEST}")
        return value

    return read


def _seconds(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise UsageError(f"{where} is {value!r}; wanted a number of seconds above 0")
    return float(value)


def _share(value: Any, where: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0.001 <= value <= LARGEST or (value > 1 and value != int(value)):
        raise UsageError(f"{where} is {value!r}; wanted a part of a GPU, such as 0.5, or a whole number of them")
    return float(value)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise UsageError(f"{where} is {value!r}; wanted text")
    if len(value) > LONGEST:
        raise UsageError(f"{where} has {len(value)} characters; wanted at most {LONGEST}")
    return value


def _path(value: Any, where: str) -> str:
    return expand_home(_text(value, where), where)


def _one_of(*known: str) -> Any:
    def read(value: Any, where: str) -> str:
        if value not in known:
            if isinstance(value, str) and value.strip():
                raise UnknownNameError("value", value, known, where)
            raise UsageError(f"{where} is {value!r}; wanted one of {', '.join(known)}")
        return str(value)

    return read


def _files(value: Any, where: str) -> tuple[str, ...]:
    found = tuple(_path(part, where) for part in (value if isinstance(value, list) else [value]))
    if not found:
        raise UsageError(f"{where} is empty; name a Python file, or leave it out")
    return found


def read_settings(value: Any, where: str = "--set") -> dict[str, tuple[Any, ...]]:
    """``name.field`` to values, from ``["wgan.clip=0.01,0.1"]`` or from the nested tables of a study file."""
    if isinstance(value, Mapping):
        return _flatten(value, "", where)
    found: dict[str, tuple[Any, ...]] = {}
    for text in value if isinstance(value, Sequence) and not isinstance(value, str) else [value]:
        key, equals, values = str(text).partition("=")
        if not equals or "." not in key or not values.strip():
            raise UsageError(f"{where} is {text!r}; wanted name.setting=value[,value], such as wgan.clip=0.01,0.1")
        if key.strip() in found:
            raise UsageError(f"{where} gives {key.strip()} twice; list its values behind one =")
        found[key.strip()] = tuple(v.strip() for v in values.split(","))
    return found


def _flatten(table: Mapping[str, Any], prefix: str, where: str) -> dict[str, tuple[Any, ...]]:
    flat: dict[str, tuple[Any, ...]] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{name}.", where)
        else:
            flat[name] = tuple(value) if isinstance(value, list) else (value,)
        if name in flat and "." not in name:
            raise UsageError(f"{where}: {name!r} has no setting; wanted name.setting, such as wgan.clip")
    return flat


_READERS: dict[str, Any] = {
    "objectives": _names,
    "datasets": _names,
    "architectures": _names,
    "seeds": read_seeds,
    "steps": read_whole(1),
    "batch_size": read_whole(2),
    "evaluate_every": read_whole(1),
    "n_samples": read_whole(2),
    "settings": read_settings,
    "probe": _flag,
    "device": _text,
    "precision": _one_of(*PRECISIONS),
    "compile": _one_of(*COMPILE),
    "jobs": read_whole(1),
    "executor": _text,
    "address": _text,
    "gpus_per_cohort": _share,
    "cpus_per_cohort": read_whole(1),
    "trial_timeout": _seconds,
    "out": _path,
    "data_root": _path,
    "plugin": _files,
}
