"""Options of a study: each is declared once, as a field of ``StudyConfig``.

A field holds an option's type, default, help and reader; the command line with its help and its shell completion
(``cli/options.py``) and study files take all of them from there. A new option is one new field.

``StudyConfig`` is a frozen dataclass and no pydantic model, because ``ganbench --help`` needs its fields: importing
pydantic takes longer (0.16 s of a processor) than that whole command (0.12 s). Nothing here imports torch either, so
that bad input is answered at once.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from ganbench.errors import OptionError, UnknownNameError, UsageError
from ganbench.spec import PRECISIONS

COMPILE = ("auto", "on", "off")  # auto comes from older study files and means off

LARGEST = 10**9  # of any whole number in a study but a seed
LARGEST_INTEGER = 2**63 - 1  # what a column of whole numbers holds
MOST_SEEDS = 10_000
LONGEST = 4_000  # characters of a text


@dataclass(frozen=True)
class Option:
    """How a field of ``StudyConfig`` is read and shown.

    Attributes:
        help: description, without the default.
        read: checks a given value and returns the field's. Its second argument is the option as its user calls it,
            ``--steps`` or ``study.toml:3: steps``, for the UsageError that it raises.
        default: the default in words, where the field's value does not say it.
        name: name without dashes, where it is not the field's.
        metavar: placeholder of the value in the help.
        complete: kind of names that a shell completes, such as ``objectives``.
        repeatable: whether a command line may give it several times.
        type: the field's type, which ``OPTIONS`` fills in.
    """

    help: str
    read: Callable[[Any, str], Any]
    default: str = ""
    name: str = ""
    metavar: str | None = None
    complete: str = ""
    repeatable: bool = False
    type: Any = None


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """A study as it was asked for. An empty or zero value means what ``Option.default`` says in words."""

    objectives: Annotated[
        tuple[str, ...], Option("Comma-separated names, such as gan,wgan.", read_names, complete="objectives")
    ] = ("gan", "nsgan", "noisegan", "wgan")
    seeds: Annotated[tuple[int, ...], Option("5 means seeds 0 to 4; also 3,7 and 10-19.", read_seeds)] = (0, 1, 2, 3, 4)
    datasets: Annotated[tuple[str, ...], Option("Comma-separated names.", read_names, complete="datasets")] = (
        "digits",
    )
    architectures: Annotated[
        tuple[str, ...],
        Option("Comma-separated names.", read_names, default="the dataset's own", complete="architectures"),
    ] = ()
    steps: Annotated[int, Option("Generator updates.", whole(1))] = 2000
    batch_size: Annotated[int, Option("Samples in a batch.", whole(2))] = 64
    evaluate_every: Annotated[int, Option("Steps between evaluations.", whole(1), default="a tenth of the steps")] = 0
    n_samples: Annotated[int, Option("Samples in an evaluation.", whole(2), default="the dataset's own")] = 0
    settings: Annotated[
        Mapping[str, tuple[Any, ...]],
        Option(
            "A setting, or several to sweep; repeatable.", read_settings,
            name="set", metavar="NAME.FIELD=V[,V]", repeatable=True,
        ),
    ] = field(default_factory=dict)  # fmt: skip
    probe: Annotated[bool, Option("The frozen-generator probe.", read_flag)] = True
    device: Annotated[str, Option("auto, cpu, cuda, cuda:N or mps.", read_text)] = "auto"
    precision: Annotated[str, Option("float32, tf32 or bf16.", one_of(*PRECISIONS), metavar="NAME")] = PRECISIONS[0]
    compile: Annotated[str, Option("on or off.", one_of(*COMPILE), metavar="WHEN")] = "off"
    jobs: Annotated[int, Option("Parallel processes.", whole(1), default="one a core")] = 0
    executor: Annotated[str, Option("local, ray, slurm or a plugin's.", read_text)] = "local"
    address: Annotated[
        str,
        Option("Of a Ray cluster: auto or HOST:PORT.", read_text, default="RAY_ADDRESS, or one for this run alone"),
    ] = ""
    gpus_per_cohort: Annotated[
        float, Option("On a cluster; 0.5 lets two share one.", read_gpus, default="0", metavar="N")
    ] = 0.0
    cpus_per_cohort: Annotated[int, Option("On a cluster.", whole(1), default="1", metavar="N")] = 0
    trial_timeout: Annotated[
        float, Option("End a trial's process after so long.", read_seconds, default="never", metavar="SECONDS")
    ] = 0.0
    out: Annotated[str | None, Option("Results folder.", read_path, default="results/DATASET-ARCHITECTURE")] = None
    data_root: Annotated[
        str | None, Option("Where datasets lie.", read_path, default="GANBENCH_DATA or the user's cache")
    ] = None
    plugin: Annotated[
        tuple[str, ...],
        Option(
            "A plugin in one file that nobody installed; repeatable.", read_files, metavar="FILE.py", repeatable=True
        ),
    ] = ()


QUICK: dict[str, Any] = {"steps": 200, "seeds": (0, 1, 2)}  # what --quick means where nothing else is said


def make_config(file: Path | None, given: Mapping[str, Any], quick: bool = False) -> StudyConfig:
    """The configuration of a study file (if any) with the command line's values over it.

    Args:
        file: a TOML study file.
        given: values of the command line by field name; None means not given.
        quick: start from the quick defaults instead of the full ones.

    Raises:
        UsageError: one sentence that names the option, or the file and the line, and what is wanted.
    """
    values = _read_file(file) if file else {}
    if "quick" in values:
        quick = read_flag(*values.pop("quick")) or quick
    values |= {name: (value, f"--{OPTIONS[name].name}") for name, value in given.items() if value is not None}
    changes = {name: OPTIONS[name].read(value, option) for name, (value, option) in values.items()}
    return replace(StudyConfig(**(QUICK if quick else {})), **changes)


def default_in_words(name: str) -> str:
    """A field's default as a user would give it; empty where the field has none."""
    value = getattr(StudyConfig(), name)
    if OPTIONS[name].default or not value:
        return OPTIONS[name].default
    if value is True:
        return "on"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


# -- study files -------------------------------------------------------------------------------------------------------


def _read_file(file: Path) -> dict[str, tuple[Any, str]]:
    """Value and option, with its file and line, by field name; ``quick`` may be among them."""
    import tomllib

    try:
        text = file.read_text(encoding="utf-8-sig")  # editors on Windows begin a file with a byte-order mark
        content = tomllib.loads(text)
    except FileNotFoundError:
        raise UsageError(f"{file}: there is no such study file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{file}: not a readable TOML file: {error}") from error
    names = {option.name: name for name, option in OPTIONS.items()} | {"quick": "quick"}
    values: dict[str, tuple[Any, str]] = {}
    for key, value in content.items():
        place, word = f"{file}:{_line_of(text, key)}", key.replace("_", "-")
        if word not in names:
            raise UnknownNameError("key", key, names, place)
        values[names[word]] = value, f"{place}: {word}"
    return values


def _line_of(text: str, key: str) -> int:
    pattern = re.compile(rf"""^\s*(\[+\s*)?["']?{re.escape(key)}["']?\s*[=.\]]""")
    return next((i for i, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


# -- readers: of a value and of its option, as ``Option.read`` says ----------------------------------------------------


def whole(least: int) -> Callable[[Any, str], int]:
    """A reader of whole numbers from ``least`` to LARGEST."""

    def read(value: Any, option: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise OptionError(option, value, f"a whole number of at least {least}")
        if value > LARGEST:
            problem = "" if value <= LARGEST_INTEGER else "is too large"  # to be written out
            raise OptionError(option, value, f"a whole number of at most {LARGEST}", problem)
        return value

    return read


def one_of(*known: str) -> Callable[[Any, str], str]:
    """A reader of one of several words."""

    def read(value: Any, option: str) -> str:
        if value in known:
            return str(value)
        if isinstance(value, str) and value.strip():
            raise UnknownNameError("value", value, known, option)
        raise OptionError(option, value, f"one of {', '.join(known)}")

    return read


def read_flag(value: Any, option: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise OptionError(option, value, "true or false")
    return value


def read_seconds(value: Any, option: str) -> float:
    """A duration above zero."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= sys.float_info.max:
        raise OptionError(option, value, "a number of seconds above 0")
    return float(value)


def read_gpus(value: Any, option: str) -> float:
    """A part of a GPU, or a whole number of them."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0.001 <= value <= LARGEST or (value > 1 and value != int(value)):
        raise OptionError(option, value, "a part of a GPU, such as 0.5, or a whole number of them")
    return float(value)


def read_text(value: Any, option: str) -> str:
    """Text that is not blank."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise OptionError(option, value, "text")
    if len(value) > LONGEST:
        raise OptionError(option, value, f"at most {LONGEST}", f"has {len(value)} characters")
    return value


def read_path(value: Any, option: str) -> str:
    """A path, with the home folder in the place of ``~``."""
    from ganbench.interfaces.paths import expand_home

    return expand_home(read_text(value, option), option)


def read_files(value: Any, option: str) -> tuple[str, ...]:
    """One path or several."""
    paths = tuple(read_path(part, option) for part in (value if isinstance(value, list) else [value]))
    if not paths:
        raise OptionError(option, value, "a Python file, or no such line at all", "is empty")
    return paths


def read_names(value: Any, option: str) -> tuple[str, ...]:
    """Distinct names, from a list or with commas between them."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(p, str) for p in parts):
        raise OptionError(option, value, "names, such as gan,wgan")
    names = tuple(p.strip() for p in parts if p.strip())
    if not names:
        raise OptionError(option, value, "at least one name", "is empty")
    repeated = sorted({n for n in names if names.count(n) > 1})
    if repeated:
        raise OptionError(option, value, "each name once", f"names {repeated[0]!r} twice")
    return names


def read_seeds(value: Any, option: str) -> tuple[int, ...]:
    """Distinct seeds from ``5`` (0 to 4), ``3,7``, ``10-19``, or a mixture, or a list of integers."""
    if isinstance(value, list):
        if not all(isinstance(v, int) and not isinstance(v, bool) for v in value):
            raise OptionError(option, value, "whole numbers")
        return _distinct(tuple(value), option)
    text = str(value).strip()
    if len(text) > LONGEST:
        raise OptionError(option, value, "a number of seeds, a list or a range", f"has {len(text)} characters")
    if re.fullmatch(r"\d+", text) and not isinstance(value, bool):
        if int(text) < 1:
            raise OptionError(option, int(text), "at least 1 seed (5 means seeds 0 to 4)")
        return tuple(range(_check_count(int(text), option)))
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        if match is None:
            raise OptionError(option, text, "a number of seeds (5), a list (3,7) or a range (10-19)")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise OptionError(option, value, f"{last}-{first}", f"has the range {part.strip()}, which runs backwards")
        _check_count(last + 1 - first, option)
        seeds.extend(range(first, last + 1))
    return _distinct(tuple(seeds), option)


def _check_count(n: int, option: str) -> int:
    if n > MOST_SEEDS:
        raise OptionError(option, n, f"at most {MOST_SEEDS}", f"asks for {n} seeds")
    return n


def _distinct(seeds: tuple[int, ...], option: str) -> tuple[int, ...]:
    repeated = sorted({s for s in seeds if seeds.count(s) > 1})
    if repeated:
        wanted = "each seed once, as every seed is one replication"
        raise OptionError(option, seeds, wanted, f"names seed {repeated[0]} twice")
    if not seeds or min(seeds) < 0:
        raise OptionError(option, list(seeds), "seeds of 0 or more")
    if max(seeds) > LARGEST_INTEGER:
        raise OptionError(option, seeds, f"seeds of at most {LARGEST_INTEGER}", f"names seed {max(seeds)}")
    return seeds


def read_settings(value: Any, option: str) -> dict[str, tuple[Any, ...]]:
    """``name.field`` to values, from ``["wgan.clip=0.01,0.1"]`` or from the nested tables of a study file."""
    if isinstance(value, Mapping):
        return _flatten(value, "", option)
    settings: dict[str, tuple[Any, ...]] = {}
    for text in value if isinstance(value, Sequence) and not isinstance(value, str) else [value]:
        key, equals, values = str(text).partition("=")
        key = key.strip()
        if not equals or "." not in key or not values.strip():
            raise OptionError(option, text, "name.setting=value[,value], such as wgan.clip=0.01,0.1")
        if key in settings:
            raise OptionError(option, value, "all its values behind one =", f"gives {key} twice")
        settings[key] = tuple(v.strip() for v in values.split(","))
    return settings


def _flatten(table: Mapping[str, Any], prefix: str, option: str) -> dict[str, tuple[Any, ...]]:
    flat: dict[str, tuple[Any, ...]] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{name}.", option)
        else:
            flat[name] = tuple(value) if isinstance(value, list) else (value,)
        if name in flat and "." not in name:
            wanted = "name.setting, such as wgan.clip"
            raise OptionError(option, value, wanted, f"gives {name!r} a value and no setting")
    return flat


# -- by field name, in the order of the help ---------------------------------------------------------------------------


def _declared() -> dict[str, Option]:
    options: dict[str, Option] = {}
    for name, hint in get_type_hints(StudyConfig, include_extras=True).items():
        (option,) = hint.__metadata__
        options[name] = replace(option, name=option.name or name.replace("_", "-"), type=hint.__origin__)
    return options


OPTIONS = _declared()
