"""Whether an encoder is the one that a library's vectors were made with.

Vectors of two models may have the same length and mean different things, so a mixture causes no error, only wrong
rankings. Names are not enough: one name may stand for a model that was trained further. So the library keeps the
vector of a fixed text, the probe, and an encoder must reproduce it.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np

from rag.core.encoding import Encoder, Vectors, WordVectors, passage_text, read_words
from rag.core.errors import LibraryError
from rag.core.tokens import TokenReader, read_tokens
from rag.library.base import Library

PROBE_TEXT = "In spring 1912 the ferry carried 37 passengers, two horses and a grand piano across the quiet bay."
# Half precision, another processor or another version of a runtime turn a vector by less.
_MIN_COSINE = 0.999


class CheckedEncoder:
    """An encoder that is compared with the library's probe before its vectors are used.

    The comparison encodes one text, which loads the model, so it waits until a vector is needed.
    """

    def __init__(self, encoder: Encoder, library: Library) -> None:
        self.name = encoder.name
        self._encoder = encoder
        self._library = library
        self._lock = Lock()
        self._probe: Vectors | None = None
        self._checked: Vectors | None = None

    def encode(self, texts: Sequence[str]) -> Vectors:
        """``[len(texts), D]`` unit vectors.

        Raises:
            LibraryError: the library's vectors were made with another model.
        """
        if texts:
            self._check()
        return self._encoder.encode(texts)

    def token_reader(self) -> TokenReader:
        """How the encoder cuts texts into tokens; it may load the model."""
        return read_tokens(self._encoder)

    def word_vectors(self, texts: Sequence[str]) -> list[WordVectors] | None:
        """The vectors of words; the library holds none of them, so nothing is compared."""
        return read_words(self._encoder, texts)

    def prepare_to_add(self) -> None:
        """Settle, before anything is staged, that new vectors go with those that are there.

        The library keeps the probe of the first encoder. One that was made before probes were kept is compared by
        one of its passages, and keeps a probe from then on. Staged documents of another encoder are dropped.

        Raises:
            LibraryError: the library's vectors were made with another model.
        """
        stored = self._library.probe
        if stored is not None and not is_same_vector(stored, self.probe):
            if self._library.num_passages:
                self._refuse()
            self._library.discard_staged()
            stored = None
        if stored is None:
            self._check_by_passage()
            self._library.keep_probe(self.probe)

    @property
    def probe(self) -> Vectors:
        """Vector ``[D]`` of the fixed text."""
        with self._lock:
            if self._probe is None:
                self._probe = self._encoder.encode([PROBE_TEXT])[0]
            return self._probe

    def _check(self) -> None:
        stored = self._library.probe
        if stored is None or (self._checked is not None and np.array_equal(stored, self._checked)):
            return
        if self._library.num_passages and not is_same_vector(stored, self.probe):
            self._refuse()
        self._checked = stored

    def _check_by_passage(self) -> None:
        ids = self._library.live_ids()[0][:1].tolist()
        vectors, passages = self._library.vectors_by_id(ids)[1], self._library.passages(ids)
        for vector, passage in zip(vectors, passages.values(), strict=False):  # it may be removed between the reads
            again = self._encoder.encode([passage_text(passage.title, passage.text, passage.heading)])[0]
            if not is_same_vector(vector, again):
                self._refuse()

    def _refuse(self) -> None:
        raise LibraryError(
            f"the vectors of the library at {self._library.place} were made with another model than this "
            f"{self.name!r}; use that model, or add the documents to a new library"
        )


def is_same_vector(one: Vectors, other: Vectors) -> bool:
    """Whether two vectors ``[D]`` are those of one text by one model, up to rounding."""
    if one.shape != other.shape:
        return False
    scale = float(np.linalg.norm(one) * np.linalg.norm(other))
    return scale == 0.0 or float(one @ other) >= _MIN_COSINE * scale
