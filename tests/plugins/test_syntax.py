"""Syntax trees: what counts and what does not, and that every version of Python gives the same."""

import ast
import hashlib

import pytest

from ganbench.plugins.syntax import tree
from ganbench.spec import canonical

# Syntax of Python 3.11, above all what versions of Python represent differently.
PROGRAM = r'''
from __future__ import annotations
import math, os.path as path
from typing import ClassVar

@register(name="x")
class Loss(Base, metaclass=Meta):
    """Documented."""

    names: ClassVar[tuple[str, ...]] = ("a", u"b", b"\x00c")
    big: int = 123_456_789_012_345_678_901_234_567_890
    number: float = 1e-5
    imaginary = 2j

    def value(self, x, /, y=None, *rest: int, z, w=..., **more) -> "float":
        """Documented."""
        text = f"{x=} {y!r:>{z}} {{literal}}" "tail" f"{math.pi:.3f}" f"{x:}"
        total = {**more, "k": [*rest], **{}}
        return -x ** 2 if (n := len(rest)) > 1 and not y else total["k"][::2, ..., n]

    async def later(self):
        async with self as (a, b), open("f"):
            await a
        async for i in b:
            yield i
        return

def outside(a, *, b=lambda q, /, *, r=1: q @ r):
    global state
    state: int = 0
    for i in range(3):
        pass
    else:
        del a[0], b.c
    while True:
        break
    try:
        assert a, "message"
    except* ValueError as error:
        raise RuntimeError from error
    finally:
        nonsense = {1, 2} | {i for i in a if i for j in i}
    match a:
        case {"x": [1, *others], **rest} | Point(x=0, y=None) if a:
            return None
        case str() as s:
            return s
    with (open("a") as f, open("b")):
        a += 1; b //= 2
    return True, None, 1_000, 0x10, "\ud800", "é"
'''

CLASS = '''
class Loss(Base):
    """Weight clipping."""

    clip: float = 0.01

    def critic_loss(self, critic, real, fake, draw):
        # as in Algorithm 1
        return critic(fake).mean() - critic(real).mean()
'''


def digest(source):
    return hashlib.blake2b(canonical(tree(source)).encode(), digest_size=6).hexdigest()


def test_every_version_of_python_gives_the_same_tree():
    assert digest(PROGRAM) == "47018951c41a"
    assert digest(CLASS) == "018c847025a9"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('    """Weight clipping."""\n', ""),
        ("Weight clipping.", "Weights are clamped."),
        ("        # as in Algorithm 1\n", ""),
        ("0.01", "1e-2"),
        ("critic(fake).mean() - critic(real).mean()", "(critic(fake).mean()\n            - (critic( real ).mean()))"),
        ("draw):\n", 'draw):\n        """The loss."""\n'),
        ("= 0.01\n", '= 0.01\n    """The bound."""\n'),
        ("= 0.01\n", '= 0.01\n    search_space = {"clip": LogUniform(1e-3, 1)}\n'),
        ("= 0.01\n", '= 0.01\n    search_space: ClassVar[dict] = {"clip": LogUniform(1e-3, 1)}\n'),
        ("= 0.01\n", "= 0.01\n\n    @property\n    def search_space(self):\n        return {}\n"),
        ("\nclass", "from ganbench import LogUniform\n\nclass"),
        ("    ", "\t"),
    ],
)
def test_what_computes_nothing_does_not_count(old, new):
    assert old in CLASS
    assert tree(CLASS.replace(old, new)) == tree(CLASS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.01", "0.1"),
        ("0.01", "None"),
        ("clip:", "bound:"),
        ("- critic", "+ critic"),
        ("float", "int"),
        ("(Base)", "(Other)"),
        ("class Loss", "@frozen\nclass Loss"),
        ("\nclass", "import ganbench.metrics\n\nclass"),
        ("\nclass", "from ganbench.metrics import *\n\nclass"),
        ("\nclass", "from ganbench import critic\n\nclass"),
        ("0.01\n", "0.01\n    spaces = {}\n"),
        ("draw):\n", "draw):\n        search_space = {}\n"),
        ("return critic(fake)", "return f'{critic}' or critic(fake)"),
    ],
)
def test_what_may_compute_something_counts(old, new):
    assert old in CLASS
    assert tree(CLASS.replace(old, new)) != tree(CLASS)


def test_a_class_inside_a_function_has_the_tree_of_its_own_text():
    indented = "\n".join(f"    {line}" for line in CLASS.strip().splitlines())
    text = '    class A:\n        x = """one\n  two"""\n'
    assert tree(indented) == tree(CLASS)
    assert ast.literal_eval(str(tree(text))) == tree(text)  # plain data
    assert "one\n  two" in canonical(tree(text)).encode().decode("unicode_escape")


def test_texts_of_an_f_string_count_as_one():
    assert tree('f"a{x}b" "c"') == tree('"" f"a{x}" f"bc"') == tree('f"a{x}bc"')
    assert tree('f"a{x}bc"') != tree('f"ab{x}c"')
