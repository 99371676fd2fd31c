"""Fingerprints that code of this repository had when they were hashes of its text: see ``plugins.fingerprint``.

By the name of a component and its former fingerprint, the one of its syntax tree. What is edited leaves this table
alone: its trials are of other code then, and stored ones are not taken for new ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ganbench.spec import canonical

FORMER: dict[tuple[str, str], str] = {
    ("mlp", "ddd9c40767f9"): "75637db0472a",
    ("mlp-512", "ddd9c40767f9"): "8b6f73185059",
    ("mlp-pac", "ddd9c40767f9"): "cae7c13d70f6",
    ("mlp-minibatch", "ddd9c40767f9"): "4ba817caa3a8",
    ("dcgan", "ddd9c40767f9"): "37ced27178c1",
    ("dcgan-plain", "ddd9c40767f9"): "e6fb55b69ce1",
    ("dcgan-pac", "ddd9c40767f9"): "44e6f061231c",
    ("dcgan-minibatch", "ddd9c40767f9"): "bea2b3658206",
    ("dcgan-vbn", "ddd9c40767f9"): "437165d8c44c",
    ("upconv", "ddd9c40767f9"): "01d200a8aeb0",
    ("gan", "7641bf308bbe"): "97ffb27aace3",
    ("nsgan", "1c7136d8fdfa"): "b7ebe878b81b",
    ("lsgan", "33bd861eb1de"): "b7a95ebdb37a",
    ("hinge", "7bdf10e1843b"): "3404f42ac56e",
    ("rpgan", "c82fbcd8ee84"): "69e3a5454a8e",
    ("ragan", "21feb8c8e673"): "726d0e078c12",
    ("wgan", "ba9d239f8a7c"): "7f6193f639fe",
    ("noisegan", "443b0e22d639"): "55ca5225b49d",
    ("label-smoothing", "b2cc86c4238c"): "3c1538de3cf2",
    ("historical-averaging", "0424918a491c"): "db9ab5a06d40",
    ("feature-matching", "ffc4d8a19e80"): "7863cba98bec",
    ("lecam", "d639141e7470"): "737a9a881f47",
    ("wgan-gp", "e172633f2aa3"): "9160ea48324e",
    ("nsgan-r1", "6fef232ba2b6"): "dcb69dc6550f",
    ("r3gan", "2f1e0b8b4074"): "1a075c2041ec",
    ("dragan", "c333189c7548"): "a083ef4b1431",
    ("fgan-kl", "5602f603ab04"): "2d05a73f05a2",
    ("fgan-reverse-kl", "f1151e695963"): "299c50d26faa",
    ("fgan-pearson", "2ed09f7fef5c"): "9a03aedf07ec",
    ("fgan-neyman", "a540fbbd308c"): "f3f049b3d893",
    ("fgan-hellinger", "2676a73203e9"): "9af69f3f465f",
    ("fgan-js", "a46b91120418"): "a64cfb6f4b82",
    ("fgan-tv", "580c11231c0c"): "77269a476c4c",
    ("mlp-sn", "23ad78758788"): "4621adcca1b0",
    ("dcgan-sn", "f0e77e649861"): "a0abe241ed18",
    ("wgan-sn", "21a61aa05cdd"): "1260c63dd468",
}


def current_settings(settings: Mapping[str, Any] | str) -> dict[str, Any]:
    """A stored trial's settings with the fingerprints that its recorded components have today.

    Args:
        settings: as ``trial.json`` has them, or their text, as the trials table has it.
    """
    parts = json.loads(settings or "{}") if isinstance(settings, str) else settings
    return {key: _current(value) if key in ("architecture", "objective") else value for key, value in parts.items()}


def _current(component: Any) -> Any:
    if not isinstance(component, Mapping) or "code" not in component:
        return component
    name = str(component.get("name", "")).rpartition(":")[2]
    return {**component, "code": FORMER.get((name, component["code"]), component["code"])}


def identity(trial: Mapping[str, Any]) -> str:
    """What two stored trials have in common that are one and the same, whichever versions stored them.

    Args:
        trial: its labels, seed and settings, as ``trial.json`` and the trials table have them.
    """
    labels = (trial[name] for name in ("dataset", "architecture", "objective", "seed"))
    return canonical([*labels, current_settings(trial["settings"])])
