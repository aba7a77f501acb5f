"""The tokenizer of a sentence encoder: tokens with their places, and the languages that its model card names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.core.tokens import EstimatedTokens, TokenReader, TokenSpans

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer


# Of a model that names no limit.
_USUAL_LENGTH = 512


class FastTokens:
    """A tokenizer in a copy of its own: the model's is cut to the model's length at each call, by whichever thread.

    Args:
        tokenizer: its truncation and padding are switched off.
        max_tokens: most tokens of a text that the model reads.
        languages: that it was trained on; empty where unknown.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, languages: frozenset[str] = frozenset()) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._unknown_id = _unknown_id(tokenizer)
        self.max_tokens = max_tokens
        self.languages = languages

    def read(self, texts: Sequence[str]) -> list[TokenSpans]:
        """The tokens of each text."""
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [self._spans(encoding) for encoding in encodings]

    def _spans(self, encoding: Any) -> TokenSpans:
        offsets = encoding.offsets
        num_unknown = 0
        if self._unknown_id is not None:
            ids = encoding.ids
            if self._unknown_id in ids:
                pairs = zip(ids, offsets, strict=True)
                num_unknown = sum(end - start for token, (start, end) in pairs if token == self._unknown_id)
        return TokenSpans([start for start, _ in offsets], num_unknown)


def read_model_tokens(model: SentenceTransformer, folder: str) -> TokenReader:
    """The tokenizer of ``model``, which was loaded from ``folder``; an estimate where it is written in Python."""
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        return EstimatedTokens()
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(backend.to_str())
    prompt = (model.prompts or {}).get(model.default_prompt_name or "", "")
    reader = FastTokens(tokenizer, model.max_seq_length or _USUAL_LENGTH, read_languages(Path(folder)))
    reader.max_tokens -= tokenizer.num_special_tokens_to_add(is_pair=False) + len(reader.read([prompt])[0].starts)
    return reader


def read_languages(folder: Path) -> frozenset[str]:
    """The languages that the model card in ``folder`` names; none where there is no card, or it is multilingual."""
    from huggingface_hub import ModelCard

    card = folder / "README.md"
    if not card.is_file():
        return frozenset()
    try:
        language = getattr(ModelCard(card.read_text(encoding="utf-8")).data, "language", None)
    except Exception:  # a foreign file in a foreign parser: a card that cannot be read says nothing
        return frozenset()
    names = [language] if isinstance(language, str) else [str(name) for name in language or []]
    codes = frozenset(name.lower().partition("-")[0] for name in names)
    return frozenset() if "multilingual" in codes else codes


def _unknown_id(tokenizer: Tokenizer) -> int | None:
    token = getattr(tokenizer.model, "unk_token", None)
    return tokenizer.token_to_id(token) if isinstance(token, str) else None
