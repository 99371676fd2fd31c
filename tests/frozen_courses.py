"""Courses of gradients at frozen generators, made by hand."""

import pandas as pd

from ganbench.claims.experiment import row

MOMENTS = (0, 100, 200, 500, 1000, 2000)


def rows(arm, quantity, *courses):
    """One course a seed, at the first MOMENTS; a number alone stands for the same at all of them."""
    lists = [course if isinstance(course, tuple) else (course,) * len(MOMENTS) for course in courses]
    return [
        row(quantity, value, arm=arm, seed=seed, at=at)
        for seed, values in enumerate(lists)
        for at, value in zip(MOMENTS, values, strict=False)
    ]


def spread(exponents, n=8):
    """Gradient courses of n seeds from their exponents, a little apart from seed to seed, the further the later."""
    return [tuple(10.0 ** (e + 0.01 * k * i) for i, e in enumerate(exponents)) for k in range(n)]


def verdicts(claim, table):
    return [finding.verdict for finding in claim.decide(table)]


def gradients(arms, exponents, accuracy=1.0, n=8):
    found = []
    for arm in arms:
        found += rows(arm, "grad_norm", *spread(exponents, n))
        found += [r for q, value in (("accuracy", accuracy), ("loss", 0.4)) for r in rows(arm, q, *(value,) * n)]
    return pd.DataFrame(found)
