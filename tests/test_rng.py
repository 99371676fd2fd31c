import subprocess
import sys

import torch

from ganbench.rng import generator, stream


def test_streams_are_the_same_in_another_process():
    code = "from ganbench.rng import stream; print(stream(3, 'real', 7, 1))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(printed) == stream(3, "real", 7, 1)


def test_every_part_of_the_key_counts_and_parts_do_not_run_together():
    keys = [
        (0, "real", 1),
        (1, "real", 1),
        (0, "real", 2),
        (0, "real"),
        (0, "real", 1, 0),
        (0, "real", 11),
        (0, "rea", 1),
    ]
    assert len({stream(*key) for key in keys}) == len(keys)


def test_generators_start_afresh():
    first = torch.randn(3, generator=generator(0, "x"))
    assert torch.equal(first, torch.randn(3, generator=generator(0, "x")))
