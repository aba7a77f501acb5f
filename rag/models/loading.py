"""What every load of a model needs: a device, no foreign output, and our errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import RLock
from typing import ParamSpec, TypeVar

from rag.core.errors import ModelError
from rag.core.process.threads import configure_threads_before_torch

MODEL_HINT = "give a Hugging Face name, a folder with a model, a .gguf file, or 'default'"

_LOADING = RLock()
P = ParamSpec("P")
R = TypeVar("R")


def one_at_a_time(load: Callable[P, R]) -> Callable[P, R]:
    """Let no two threads of this process load models at once, whichever models they are.

    ``transformers`` imports its modules lazily and in circles, and swaps global state while it reads weights. Threads
    that load side by side see half-made modules (``ImportError: PreTrainedModel``) or weights without data.
    """

    @wraps(load)
    def locked(*args: P.args, **kwargs: P.kwargs) -> R:
        configure_threads_before_torch()
        with _LOADING:
            return load(*args, **kwargs)

    return locked


def resolve_device(device: str) -> str:
    """``auto`` becomes ``cuda`` where there is one, else ``cpu``."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def resolve_dtype(dtype: str, device: str) -> str:
    """``auto`` becomes ``float32`` on a CPU and ``bfloat16`` on a GPU."""
    if dtype != "auto":
        return dtype
    return "float32" if device == "cpu" else "bfloat16"


@contextmanager
def as_model_error(name: str) -> Iterator[None]:
    """Turn what loading a model may raise into :class:`ModelError`."""
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"cannot load model {name!r}: {first_line(error)}; {MODEL_HINT}") from error


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where it has none."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)[:200]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the model library's own progress bars and notices out of the user's terminal."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    had_bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()
