"""Which model a server runs, without its path: a name, and a fingerprint of what both ends must share.

A path means nothing on another machine, and a name alone can mean two models. ``concord serve-llm`` offers its model
under two names, ``NAME`` and ``NAME@FINGERPRINT``. The service loads its own copy of the tokenizer by the name,
computes the same fingerprint, and asks for ``NAME@FINGERPRINT``: a server with another model refuses that name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.models.loading import as_model_error, one_at_a_time, quiet

_DIGITS = 16
_SHAPE = ("model_type", "hidden_size", "num_hidden_layers", "vocab_size")
# Words, numbers, space, code, accents and other scripts: tokenizers with equal vocabularies differ in how they cut.
_PROBE = "Ships  leave at 07:45, 1,234 of them!\n\tdef f(x_1): return x_1 ** 2  # naïve Straße Αθήνα Москва 東京 🚢"


@dataclass(frozen=True)
class ModelIdentity:
    """The model of a server.

    Attributes:
        name: what people call it; never a path.
        fingerprint: hex digits, or empty where the server offers none.
    """

    name: str
    fingerprint: str = ""

    @property
    def served_name(self) -> str:
        """What a request calls the model."""
        return f"{self.name}@{self.fingerprint}" if self.fingerprint else self.name

    @classmethod
    def from_served_names(cls, names: Sequence[str]) -> ModelIdentity:
        """The identity in a server's list of models; the first name is the plain one."""
        prefix = f"{names[0]}@"
        fingerprints = [name.removeprefix(prefix) for name in names[1:] if name.startswith(prefix)]
        return cls(names[0], fingerprints[0] if fingerprints else "")


def identify(name: str, place: str) -> ModelIdentity:
    """The identity of a model here: a folder or file goes by its own name, without the path before it.

    Raises:
        ModelError: there is no model or no tokenizer.
    """
    path = Path(name).expanduser()
    public_name = path.resolve().name if path.is_dir() else path.stem if path.is_file() else name
    return ModelIdentity(public_name, model_fingerprint(name, place))


@one_at_a_time
def model_fingerprint(name: str, place: str) -> str:
    """Hex digits that are equal for equal tokenizers and equal shapes of the model.

    They are computed from what the files mean, because each machine may have converted the model itself.

    Args:
        name: the model, for error messages.
        place: a folder or a hub's name; only the settings and the tokenizer are loaded.

    Raises:
        ModelError: there is no model or no tokenizer.
    """
    from transformers import AutoConfig, AutoTokenizer

    with quiet(), as_model_error(name):
        settings = AutoConfig.from_pretrained(place).get_text_config()
        tokenizer = AutoTokenizer.from_pretrained(place)
    return _digest(
        {
            "shape": [getattr(settings, field, None) for field in _SHAPE],
            "vocabulary": sorted(tokenizer.get_vocab().items()),
            "probe": list(tokenizer(_PROBE, add_special_tokens=False)["input_ids"]),
        }
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()[:_DIGITS]
