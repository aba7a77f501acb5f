"""Which documents the encoder cannot read: they are found by words, but not by meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rag.core.language import guess_language
from rag.core.passages import Passage
from rag.core.scripts import IS_UNSPACED, count_scripts
from rag.core.tokens import EstimatedTokens, TokenReader
from rag.library.encoder import CheckedEncoder

# A document's first characters show its language.
_SAMPLE_CHARS = 1000
_MIN_LETTERS = 20
# An encoder that was trained on a language has tokens of several letters for its words, and none without a vector.
_MAX_UNKNOWN = 0.1
_MAX_TOKENS_PER_LETTER = 0.75
_MAX_TOKENS_PER_SIGN = 1.5
_NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "sv": "Swedish", "pl": "Polish", "tr": "Turkish", "cs": "Czech", "id": "Indonesian",
    "vi": "Vietnamese", "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "th": "Thai", "ar": "Arabic",
    "he": "Hebrew", "hi": "Hindi", "ru": "Russian", "el": "Greek",
}  # fmt: skip


class LanguageCheck:
    """Looks at the documents of one ``add``."""

    def __init__(self, encoder: CheckedEncoder) -> None:
        self._encoder = encoder
        self._unread: Counter[str] = Counter()

    def look_at(self, passages: Sequence[Passage]) -> None:
        """Take note of a document, by its first passages, if the encoder cannot read it."""
        sample = "\n".join(passage.text for passage in passages[:8])[:_SAMPLE_CHARS]
        language = guess_language(sample)
        if language and not can_read(self._encoder.token_reader(), sample, language):
            self._unread[language] += 1

    def notes(self) -> list[str]:
        """One line with all languages that the encoder cannot read; none where it reads all."""
        if not self._unread:
            return []
        languages = ", ".join(f"{_NAMES.get(code, code)} ({count})" for code, count in self._unread.most_common())
        return [
            f"the encoder {self._encoder.name} was not trained on the language of some documents: {languages}; "
            "questions find them by their words, not by their meaning; a multilingual encoder (--encoder) finds both"
        ]


def can_read(reader: TokenReader, text: str, language: str) -> bool:
    """Whether the encoder was trained on the language of ``text``.

    The model's own word counts. Without it, the tokens tell: an encoder that does not know a script has no tokens for
    its letters, or one for each. An estimate of tokens tells nothing.
    """
    if isinstance(reader, EstimatedTokens):
        return True
    if reader.languages:
        return language in reader.languages
    num_letters = count_scripts(text).total()
    if num_letters < _MIN_LETTERS:
        return True
    tokens = reader.read([text])[0]
    num_signs = len(IS_UNSPACED.findall(text))
    limit = _MAX_TOKENS_PER_SIGN if num_signs * 2 > num_letters else _MAX_TOKENS_PER_LETTER
    return tokens.num_unknown <= _MAX_UNKNOWN * num_letters and len(tokens.starts) <= limit * num_letters
