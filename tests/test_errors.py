"""The fields of errors: what programs read, made into one sentence in one place, and kept across processes."""

import pickle

import pytest

from ganbench import errors
from ganbench.errors import (
    DamageError,
    DataError,
    GanbenchError,
    GanbenchWarning,
    ObstructedError,
    OptionError,
    SampleError,
    SettingError,
    StorageError,
    UnknownNameError,
)

CASES = [
    GanbenchError("one sentence"),
    UnknownNameError("objective", "wagn", ["gan", "wgan"], "--objectives"),
    UnknownNameError("objective", "pacgan", ["gan"], hint="say --architectures mlp-pac"),
    OptionError("--steps", 0, "a whole number of at least 1"),
    SettingError("ring", "sigma", 0.0, "it must be above 0"),
    DataError("no file", subject="a/b", code="missing", remedy="ganbench data fetch mnist"),
    DamageError("cut off", subject="run.json", code="checksum"),
    StorageError("full", subject="a"),
    ObstructedError("a link", subject="a"),
    SampleError("too few", "fid", "few", "fake", 3, 5),
]


@pytest.mark.parametrize("error", CASES, ids=lambda error: type(error).__name__)
def test_an_error_keeps_its_sentence_and_its_fields_across_processes(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_an_error_that_is_raised_with_a_sentence_alone_has_empty_fields():
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, GanbenchError)]
    plain = [c for c in classes if c not in (OptionError, UnknownNameError, SettingError, SampleError)]
    assert len(plain) > 9
    for cls in plain:
        error = cls("said by a plugin")
        assert (str(error), error.subject, error.code, error.remedy) == ("said by a plugin", "", "", "")


def test_a_setting_is_the_subject_of_its_error():
    error = SettingError("ring", "sigma", 0.0, "it must be above 0")
    assert (error.subject, error.code) == ("ring.sigma", "range")
    assert all(part in str(error) for part in ("ring", "sigma", "0.0", "above"))


def test_the_nearest_name_is_suggested_and_none_where_none_is_near():
    assert UnknownNameError("objective", "wagn", ["gan", "wgan"]).suggestion == "wgan"
    assert UnknownNameError("objective", "xyz", ["gan", "wgan"]).suggestion is None


def test_a_warning_has_fields():
    warning = GanbenchWarning("slow", subject="gan", code="no-vmap", details=["a"])
    assert (str(warning), warning.subject, warning.code, warning.details) == ("slow", "gan", "no-vmap", ("a",))
