"""Writes the pages under ``reference/`` from the code: ``python docs/generate.py``. A test compares them with it."""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import MISSING, fields, is_dataclass
from itertools import chain
from pathlib import Path

import pandas as pd

import ganbench
from ganbench.claims.catalogue import CLAIMS
from ganbench.claims.claim import overall
from ganbench.interfaces import hookspecs
from ganbench.plugins.registry import load_plugins
from ganbench.report.figures.verdicts import effect_text

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "reference"
VERDICTS = ROOT / "results" / "reference" / "reproduce-quick" / "verdicts.parquet"
TABLE = re.compile(r"(<!-- verdicts -->\n).*?(\n<!-- end of verdicts -->)", re.DOTALL)
SECTION = re.compile(r"^(Class attributes|Attributes|Args|Raises|Returns):$")
ENTRY = re.compile(r"^(\w[\w, ]*): (.*)$", re.DOTALL)
LOSSES = ("critic_loss", "generator_loss", "constrain", "activation", "conjugate")


def prose(thing: object) -> str:
    """A docstring as Markdown: its sections as lists, literals with single quotes."""
    lines: list[str] = []
    for block in re.split(r"\n(?=\S[^\n]*:\n +)", inspect.getdoc(thing) or ""):
        head, _, rest = block.partition("\n")
        lines += entries(head, textwrap.dedent(rest)) if SECTION.match(head) else [block, ""]
    text = re.sub(r"``(.+?)``", r"`\1`", "\n".join(lines).strip())
    text = re.sub(r"(?<![*\\])\*(?=\w+[),])", r"\\*", text)  # (batch, *sample_shape)
    text = re.sub(r"\n{3,}", "\n\n", text)
    return re.sub(r"\.\. code-block:: python\n\n((?: {4}.*\n?|\n)+)", example, text)


def example(match: re.Match[str]) -> str:
    """A code block of reStructuredText as one of Markdown."""
    return f"```python\n{textwrap.dedent(match[1]).strip()}\n```\n"


def entries(head: str, body: str) -> list[str]:
    """The items of one section of a docstring; what is less indented ends it."""
    items = re.split(r"\n(?! )", body.strip())
    lines = [f"*{head.removesuffix(':')}*", ""]
    for item in filter(None, (" ".join(part.split()) for part in items)):
        named = ENTRY.match(item)
        lines.append(f"- `{named[1]}`: {named[2]}" if named else f"- {item}")
    return [*lines, ""]


def signature(function: object, name: str = "") -> str:
    """A function's or a method's signature, in the words of its source."""
    found = str(inspect.signature(function))  # type: ignore[arg-type]
    return f"{name or function.__name__}{found}".replace("'", "")  # type: ignore[attr-defined]


def code(function: object) -> str:
    """The source of a method without its docstring, as a block."""
    source = textwrap.dedent(inspect.getsource(function))  # type: ignore[arg-type]
    return re.sub(r'\n\s+""".*?"""', "", source, flags=re.DOTALL).strip()


def settings(cls: type) -> list[str]:
    """A table of the fields of a frozen dataclass: defaults, and what its docstrings and its bases' say."""
    said: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        for names, words in re.findall(r"^- `([\w, ]+)`: (.*)$", prose(base), re.MULTILINE):
            said |= dict.fromkeys(names.split(", "), words)
    known = [f for f in fields(cls) if f.default is not MISSING]  # type: ignore[arg-type]
    rows = [f"| `{f.name}` | `{f.default!r}` | {cell(said.get(f.name, ''))} |" for f in known]
    return ["| setting | default | |", "|---|---|---|", *rows, ""] if rows else []


def words(cls: type) -> str:
    """What a docstring says besides what its fields are."""
    return prose(cls).partition("*Attributes*")[0].rstrip()


def title(cls: type) -> list[str]:
    """The heading of one component: its name, and its aliases below."""
    aliases = ", ".join(f"`{alias}`" for alias in getattr(cls, "aliases", ()))
    return [f"## {cls.name}", "", *([f"Also {aliases}.", ""] if aliases else [])]  # type: ignore[attr-defined]


def objective(cls: type) -> list[str]:
    """One objective: what its docstring says, its hyper-parameters, and its losses as they are computed."""
    own = [getattr(cls, name) for name in LOSSES if defined(cls, name)]
    block = ["```python", "\n\n".join(map(code, own)), "```", ""]
    return [*title(cls), words(cls), "", *settings(cls), *block, f"`plugins/{cls.__module__.replace('.', '/')}.py`", ""]


def defined(cls: type, name: str) -> bool:
    """Whether a method does more than the contract's default."""
    return hasattr(cls, name) and getattr(cls, name) is not getattr(ganbench.Objective, name, None)


def component(cls: type) -> list[str]:
    """A dataset, an architecture or a metric."""
    return [*title(cls), words(cls), "", *settings(cls)]


def first_party(offers: object) -> list[type]:
    """The classes that ganbench itself brings, by name."""
    return sorted((c for d, c in offers.offered if d == "ganbench"), key=lambda c: c.name)  # type: ignore[attr-defined]


def hook(name: str) -> list[str]:
    """One hook."""
    function = getattr(hookspecs, name)
    return [f"## {name}", "", "```python", f"def {signature(function)}", "```", "", prose(function), ""]


def public(name: str) -> list[str]:
    """One public name with its methods."""
    thing = getattr(ganbench, name)
    lines = [f"## {name}", ""]
    if not isinstance(thing, type):
        return [
            *lines,
            "```python",
            signature(thing) if inspect.isfunction(thing) else name,
            "```",
            "",
            prose(thing),
            "",
        ]
    lines += [prose(thing), "", *(settings(thing) if is_dataclass(thing) else [])]
    for method, function in vars(thing).items():
        function = function.fget if isinstance(function, property) else function
        if inspect.isfunction(function) and not method.startswith("_"):
            lines += [f"### {name}.{method}", "", "```python", signature(function), "```", "", prose(function), ""]
    return lines


def cell(text: str) -> str:
    """Text that may stand in a table."""
    return text.replace("|", "\\|")


def claim(found: object) -> list[str]:
    """One claim, with the rules that were fixed before it was run."""
    rules = [f"| {cell(r.name)} | {cell(r.measure)} | {r.threshold} | {r.least_seeds} |" for r in found.rules]  # type: ignore[attr-defined]
    return [
        f"## {found.number}. {found.id}",  # type: ignore[attr-defined]
        *("", found.sentence, "", f"*Source*: {found.source}."),  # type: ignore[attr-defined]
        *("", f"*Protocol*: {found.protocol}", "", f"*Caveat*: {found.caveat}", ""),  # type: ignore[attr-defined]
        *("| rule | effect | reproduced where it is | least seeds |", "|---|---|---|---|", *rules, ""),
    ]


def verdict_rows(verdicts: pd.DataFrame) -> list[str]:
    """A table with a row for every claim: its verdict, and the first of its rules that has that verdict."""
    rows = ["| | claim | verdict | by this rule: effect [95 %], wanted | rules that hold |", "|---|---|---|---|---|"]
    for (number, name), rules in verdicts.groupby(["number", "claim"], sort=False):
        verdict = overall(list(rules["verdict"]))
        first = next(rule for rule in rules.itertuples() if rule.verdict == verdict)
        rule = cell(f"{first.rule}: {effect_text(first)}, wanted {first.threshold}, n = {first.n}")
        hold = f"{(rules['verdict'] == 'reproduced').sum()} of {len(rules)}"
        rows.append(f"| {number} | `{name}` | {verdict} | {rule} | {hold} |")
    return rows


def all_rules(verdicts: pd.DataFrame) -> list[str]:
    """A section for every claim: all its rules as measured."""
    lines = []
    for (number, name), rules in verdicts.groupby(["number", "claim"], sort=False):
        lines += [f"## {number}. {name}: {overall(list(rules['verdict']))}", "", rules["sentence"].iloc[0], ""]
        lines += ["| rule | verdict | effect [95 %] | wanted | n | |", "|---|---|---|---|---|---|"]
        for r in rules.itertuples():
            shown = (r.rule, r.verdict, effect_text(r), r.threshold, str(r.n), r.note)
            lines.append(f"| {' | '.join(map(cell, shown))} |")
        lines.append("")
    return lines


def readme(text: str) -> str:
    """The README with the table of verdicts as it was measured."""
    table = "\n".join(verdict_rows(pd.read_parquet(VERDICTS)))
    return TABLE.sub(lambda found: found[1] + table + found[2], text)


def page(heading: str, opening: str, parts: list[list[str]]) -> str:
    """A whole page."""
    note = "<!-- Written by docs/generate.py from the code; do not edit. -->"
    return "\n".join([note, "", f"# {heading}", "", opening, "", *chain.from_iterable(parts)]).rstrip() + "\n"


def pages() -> dict[str, str]:
    """Every page by its file's name."""
    registry = load_plugins()
    hooks = [name for name in vars(hookspecs) if name.startswith("ganbench_")]
    kinds = {kind: first_party(getattr(registry, kind)) for kind in ("datasets", "architectures", "metrics")}
    opening = "Every {} that comes with ganbench. `ganbench list {}` shows those of installed plugins, too."
    listed = {
        f"{kind}.md": page(kind.capitalize(), opening.format(kind[:-1], kind), [component(c) for c in found])
        for kind, found in kinds.items()
    }
    own = [objective(c) for c in first_party(registry.objectives)]
    return {
        "hooks.md": page("Hooks", HOOKS, [hook(name) for name in hooks]),
        "api.md": page("Public names", API, [public(name) for name in ganbench.__all__ if name != "__version__"]),
        "objectives.md": page("Objectives", OBJECTIVES, own),
        "claims.md": page("Claims", CLAIMS_WORDS, [claim(c) for c in CLAIMS]),
        "verdicts.md": page("Verdicts", VERDICTS_WORDS, [all_rules(pd.read_parquet(VERDICTS))]),
        **listed,
    }


HOOKS = """What a plugin may implement. A hook is a function of the plugin's module, named as here and marked with
`@ganbench.hookimpl`; it takes the arguments that it wants, without defaults. A misspelt hook, or an argument that does
not exist, makes the plugin broken, and `ganbench plugins` says why."""
API = """All that a plugin, or a program that reads results, may rely on: `from ganbench import ...`. Everything else
may change without notice."""
OBJECTIVES = """Every objective that comes with ganbench: the paper with its equation, the hyper-parameters with their
defaults, and the losses as they are computed. `critic(x)` gives raw scores, high means real, and `softplus(-a)` is
−log σ(a). Where the paper and its authors' code differ, `variant` or another setting gives the other form:
`--set nsgan-r1.variant=paper,code` compares the two."""
CLAIMS_WORDS = """Every claim of the literature that `ganbench reproduce` tests, with its rules, which were written
before the runs that judge them. A verdict is computed: *reproduced* where the whole 95 % interval of every effect lies
where its rule wants it, *not reproduced* where that of one lies wholly outside, *inconclusive* otherwise."""

VERDICTS_WORDS = """What `ganbench reproduce --profile quick` gave on two cores of a CPU. The measurements behind it
lie in `results/reference/reproduce-quick`. On the same machine and with the same engine, which was 2, a repetition
gives the same numbers. Elsewhere, or with another PyTorch, roundings differ and trainings drift apart: a verdict whose
interval ends near its threshold may then be another one, and 11 and 21 have been (both were *not reproduced* in an
earlier run). All this holds for small networks and short runs; a claim's page says what its verdict does not mean."""


if __name__ == "__main__":
    (ROOT / "README.md").write_text(readme((ROOT / "README.md").read_text(encoding="utf-8")), encoding="utf-8")
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
