"""Global state of the process: what third-party code changes of it is put back and reported.

Every row of ``STATES`` is one piece of state with a way to read it and a way to set it. ``isolated`` is used wherever
code of a plugin runs: import, construction, training, metrics, trackers.
"""

from __future__ import annotations

import locale
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ganbench.errors import GanbenchWarning

# -- float32 precision -------------------------------------------------------------------------------------------------

SETTINGS = (
    ("generic", "all"), ("cuda", "all"), ("mkldnn", "all"),
    ("cuda", "matmul"), ("cuda", "conv"), ("cuda", "rnn"), ("mkldnn", "matmul"), ("mkldnn", "conv"), ("mkldnn", "rnn"),
)  # fmt: skip
DEFAULTS = SETTINGS[:3]  # what operations without a setting of their own take
MATMUL, CONVOLUTION = SETTINGS.index(("cuda", "matmul")), SETTINGS.index(("cuda", "conv"))
OLDER_NAMES = {"tf32": "high", "bf16": "medium"}  # of set_float32_matmul_precision; all others are "highest"


def set_precision(precision: str) -> None:
    """Let CUDA's products and convolutions of float32 numbers round their factors to TensorFloat-32, or not."""
    wanted = precision == "tf32"
    for setting in DEFAULTS:
        torch._C._set_fp32_precision_setter(*setting, "none")
    torch.set_float32_matmul_precision("highest")  # for all backends, so that what was set before cannot contradict
    torch.backends.cuda.matmul.allow_tf32 = wanted
    torch.backends.cudnn.allow_tf32 = wanted


def matmul_precision() -> str:
    """The precision of CUDA's products as ``torch.set_float32_matmul_precision`` calls it. Never raises."""
    return OLDER_NAMES.get(_newer()[MATMUL], "highest")


def convolution_tf32() -> bool:
    """Whether cuDNN's convolutions round to TensorFloat-32. Never raises."""
    return _newer()[CONVOLUTION] == "tf32"


def float32_precisions() -> tuple[Any, ...]:
    """All that PyTorch keeps on the precision of float32 numbers, of both interfaces; None where one can't be read."""
    older = torch.get_float32_matmul_precision, torch._C._get_cudnn_allow_tf32
    return *map(_readable, older), *_newer()


def set_float32_precisions(values: tuple[Any, ...]) -> None:
    """Set what ``float32_precisions`` gave."""
    matmul, cudnn, *newer = values
    if matmul is not None:
        torch.set_float32_matmul_precision(matmul)
    if cudnn is not None:
        torch.backends.cudnn.allow_tf32 = cudnn
    for setting, value in zip(SETTINGS, newer, strict=True):
        torch._C._set_fp32_precision_setter(*setting, value)


def _newer() -> list[str]:
    return [torch._C._get_fp32_precision_getter(*setting) for setting in SETTINGS]


def _readable(getter: Callable[[], Any]) -> Any:
    with suppress(RuntimeError):  # the two interfaces contradict each other
        return getter()
    return None


# -- isolation ---------------------------------------------------------------------------------------------------------

# Environment variables that libraries set for themselves and rely on later, by how they begin. Ray does so in a thread
# while plugins are loaded, PyTorch's compiler while it compiles.
SET_BY_LIBRARIES = (
    "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "RAY_", "TORCHINDUCTOR_CACHE_DIR", "_TORCHINDUCTOR_PYOBJECT",
    "TRITON_CACHE_DIR", "TRITON_PTXAS_PATH", "TRITON_LIBDEVICE_PATH", "TORCH_WARM_POOL", "CUDA_HOME",
)  # fmt: skip
SIGNALS = tuple(signal.Signals)  # with a name, so without most of the real-time ones
_FILLING: Any = torch.utils.deterministic
AUTOCAST_DEVICES = ("cpu", "cuda")
SMALLEST = 1e-310  # a denormal float64


@dataclass(frozen=True)
class State:
    """One piece of global state.

    Attributes:
        name: how messages call it.
        get: returns its value; values are compared by ``==``.
        set: takes such a value.
        named: False where a change is no fault of a plugin, so that it is put back without a message.
        by_libraries: libraries change it when they are imported, so that a plugin which imports one is not named.
    """

    name: str
    get: Callable[[], Any]
    set: Callable[[Any], object]
    named: bool = True
    by_libraries: bool = False


@contextmanager
def isolated(subject: str, tell: Callable[[str], object] | None = None, module: str = "") -> Iterator[list[str]]:
    """Run third-party code: state that it changes is put back, and its standard output goes to standard error.

    Args:
        subject: what messages call the code.
        tell: takes one sentence where it has changed something; a warning unless given.
        module: the code's own module, where the block imports it.

    Yields:
        A list that holds the names of the changed state once the block has ended.
    """
    changed: list[str] = []
    try:
        with _stdout_to_stderr(), preserved(module) as changed:
            yield changed
    finally:
        if changed:
            sentence = f"{subject} changed {', '.join(changed)}; ganbench has put it back"
            remark = GanbenchWarning(sentence, subject=subject, code="state", details=changed)
            tell(sentence) if tell else warnings.warn(remark, stacklevel=3)


def guarded(component: object, doing: str) -> AbstractContextManager[list[str]]:
    """``isolated`` for code of a component, or of its class; nothing for ganbench's own, which keeps the rules."""
    cls = component if isinstance(component, type) else type(component)
    if is_own(cls):
        return nullcontext([])
    return isolated(f"{doing} {getattr(cls, 'name', cls.__name__)!r} of {cls.__module__}")


def is_own(cls: type[Any]) -> bool:
    """Whether a class is part of the package ganbench."""
    return cls.__module__.partition(".")[0] == "ganbench"


@contextmanager
def preserved(module: str = "") -> Iterator[list[str]]:
    """Put global state back at the end of the block. Yields a list, filled by then with the names of what differed."""
    before, modules = [(state, state.get()) for state in STATES], set(sys.modules)
    changed: list[str] = []
    try:
        yield changed
    finally:
        for state, value in before:
            if state.get() == value:
                continue
            name = state.name
            try:
                state.set(value)
            except Exception as error:  # such as a folder that is gone; what follows is put back all the same
                name = f"{name} (which cannot be put back: {type(error).__name__})"
            if state.named and not (state.by_libraries and _has_imported(modules, module)):
                changed.append(name)


def _has_imported(before: set[str], module: str) -> bool:
    """Whether libraries have been imported since: packages that are neither Python's own nor that of a module."""
    old, new = ({name.partition(".")[0] for name in names} for names in (before, set(sys.modules) - before))
    return bool(new - old - sys.stdlib_module_names - {module.partition(".")[0]})


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Standard output of Python, of libraries and of child processes goes to standard error."""
    with suppress(Exception):
        sys.stdout.flush()
    saved = _redirect_descriptor()
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if saved is not None:
            os.dup2(saved, 1)
            os.close(saved)


def _redirect_descriptor() -> int | None:
    """Let descriptor 1 be what 2 is. Returns a copy of what it was; None where one of the two is closed."""
    try:
        saved = os.dup(1)
    except OSError:
        return None
    try:
        os.dup2(2, 1)
    except OSError:
        os.close(saved)
        return None
    return saved


# -- reading and setting state -----------------------------------------------------------------------------------------


def _default_device() -> str:
    return str(torch.get_default_device())


def _set_default_device(device: str) -> None:
    torch.set_default_device(None if device == "cpu" else device)


def _determinism() -> tuple[bool, bool, bool]:
    warn_only, filling = torch.is_deterministic_algorithms_warn_only_enabled(), _FILLING.fill_uninitialized_memory
    return torch.are_deterministic_algorithms_enabled(), warn_only, filling


def _set_determinism(values: tuple[bool, bool, bool]) -> None:
    torch.use_deterministic_algorithms(values[0], warn_only=values[1])
    _FILLING.fill_uninitialized_memory = values[2]


def _anomaly() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _autocast() -> tuple[tuple[bool, torch.dtype], ...]:
    return tuple((torch.is_autocast_enabled(d), torch.get_autocast_dtype(d)) for d in AUTOCAST_DEVICES)


def _set_autocast(values: tuple[tuple[bool, torch.dtype], ...]) -> None:
    for device, (enabled, dtype) in zip(AUTOCAST_DEVICES, values, strict=True):
        torch.set_autocast_enabled(device, enabled)
        torch.set_autocast_dtype(device, dtype)


def _attention() -> tuple[bool, ...]:
    cuda = torch.backends.cuda
    return (
        cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled(), cuda.math_sdp_enabled(), cuda.cudnn_sdp_enabled()
    )  # fmt: skip


def _set_attention(values: tuple[bool, ...]) -> None:
    cuda = torch.backends.cuda
    setters = cuda.enable_flash_sdp, cuda.enable_mem_efficient_sdp, cuda.enable_math_sdp, cuda.enable_cudnn_sdp
    for setter, value in zip(setters, values, strict=True):
        setter(value)


def _flushes_denormals() -> bool:
    """There is no getter for it, but a denormal number survives a product or does not."""
    return not torch.tensor([SMALLEST], dtype=torch.float64, device="cpu").mul(1.0).item()


def _cuda_device() -> int:
    return torch.cuda.current_device() if torch.cuda.is_initialized() else 0


def _set_cuda_device(index: int) -> None:
    if torch.cuda.is_initialized():
        torch.cuda.set_device(index)


def _random() -> tuple[Any, ...]:
    numpy: Any = np.random.get_state()
    kind, keys, *rest = numpy
    return random.getstate(), (kind, keys.tobytes(), *rest), torch.get_rng_state().numpy().tobytes()


def _set_random(values: tuple[Any, ...]) -> None:
    python, (kind, keys, *rest), pytorch = values
    random.setstate(python)
    np.random.set_state((kind, np.frombuffer(keys, np.uint32), *rest))
    torch.set_rng_state(torch.frombuffer(bytearray(pytorch), dtype=torch.uint8))


def _numpy_errors() -> tuple[Any, ...]:
    return np.geterr(), np.geterrcall(), np.getbufsize()


def _set_numpy_errors(values: tuple[Any, ...]) -> None:
    np.seterr(**values[0])
    np.seterrcall(values[1])
    np.setbufsize(values[2])


def _warnings() -> tuple[Any, ...]:
    return list(warnings.filters), warnings.showwarning, warnings.formatwarning


def _set_warnings(values: tuple[Any, ...]) -> None:
    warnings.filters[:], warnings.showwarning, warnings.formatwarning = values  # type: ignore[index]
    with warnings.catch_warnings():  # which tells the registries of modules that filters have changed
        pass


def _current_folder() -> str | None:
    with suppress(OSError):
        return os.getcwd()
    return None  # it was deleted


def _set_current_folder(path: str | None) -> None:
    if path is not None:
        os.chdir(path)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(SET_BY_LIBRARIES)}


def _set_environment(values: dict[str, str]) -> None:
    for name in set(_environment()) - set(values):
        del os.environ[name]
    os.environ.update(values)


def _signals() -> tuple[Any, ...]:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ()) if os.name == "posix" else None
    return mask, {number: signal.getsignal(number) for number in SIGNALS}


def _set_signals(values: tuple[Any, ...]) -> None:
    mask, handlers = values
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if threading.current_thread() is not threading.main_thread():
        return  # Python sets handlers in its main thread alone, so nothing else can have changed them
    for number, handler in handlers.items():
        if signal.getsignal(number) != handler and handler is not None:  # None: not set from Python
            signal.signal(number, handler)


def _streams() -> tuple[Any, ...]:
    return sys.stdout, sys.stderr, sys.stdin


def _set_streams(values: tuple[Any, ...]) -> None:
    sys.stdout, sys.stderr, sys.stdin = values


def _attributes(name: str, owner: Any, *attributes: str) -> State:
    """State that is kept in attributes of an object."""

    def restore(values: tuple[Any, ...]) -> None:
        for attribute, value in zip(attributes, values, strict=True):
            if getattr(owner, attribute) != value:
                setattr(owner, attribute, value)

    return State(name, lambda: tuple(getattr(owner, attribute) for attribute in attributes), restore)


_REDUCTIONS = ("allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction")

STATES = (
    State("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    State("torch's default device", _default_device, _set_default_device),
    State("torch's float32 matmul precision", float32_precisions, set_float32_precisions),
    _attributes("torch's float16 accumulation", torch.backends.cuda.matmul, *_REDUCTIONS, "allow_fp16_accumulation"),
    State("torch's determinism", _determinism, _set_determinism),
    _attributes("torch's cuDNN settings", torch.backends.cudnn, "enabled", "benchmark", "deterministic"),
    _attributes("torch's oneDNN settings", torch.backends.mkldnn, "enabled", "deterministic"),
    _attributes("torch's einsum settings", torch.backends.opt_einsum, "enabled", "strategy"),
    State("torch's attention kernels", _attention, _set_attention),
    State("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
    State("torch's treatment of denormals", _flushes_denormals, torch.set_flush_denormal),
    State("torch's gradient mode", torch.is_grad_enabled, torch.set_grad_enabled),
    State("torch's anomaly detection", _anomaly, lambda values: torch.autograd.set_detect_anomaly(*values)),
    State("torch's autocast", _autocast, _set_autocast),
    State("the current CUDA device", _cuda_device, _set_cuda_device),
    State("random number generators", _random, _set_random, named=False),
    State("NumPy's error state", _numpy_errors, _set_numpy_errors),
    State("NumPy's print options", np.get_printoptions, lambda values: np.set_printoptions(**values)),
    State("warning filters", _warnings, _set_warnings, by_libraries=True),
    State("the current folder", _current_folder, _set_current_folder),
    State("environment variables", _environment, _set_environment),
    State("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda value: locale.setlocale(locale.LC_ALL, value)),
    State("signal handlers", _signals, _set_signals),
    State("standard streams", _streams, _set_streams),
)
