"""Texts to unit vectors: a LangChain ``Embeddings`` over sentence-transformers, loaded on first use."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from rag.core.encoding import Encoder, WordVectors, read_words
from rag.core.process.lazy import lazy_property
from rag.core.process.threads import one_thread
from rag.core.settings.config import Config
from rag.core.tokens import TokenReader, read_tokens
from rag.models.defaults import ENCODER
from rag.models.loading import as_model_error, one_at_a_time, quiet, resolve_device
from rag.models.resolve import resolve_encoder
from rag.models.token_reader import read_model_tokens

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_BATCH = 32
# On a CPU a batch holds so many characters: larger ones do not fit into the processor's caches.
_BATCH_CHARS = 2000
# Fewer characters are encoded by one thread. A second one saves milliseconds on an idle machine, and costs tens of them
# on a busy one.
_SMALL_CHARS = 1000
# A batch whose texts need more than so much padding is divided: that costs less than the padding.
_PADDING_CHARS = 200


@one_at_a_time
def load_encoder(config: Config) -> tuple[SentenceTransformer, str]:
    """The sentence encoder that ``config`` names, and the folder it is in.

    Raises:
        ModelError: no such model, or not a sentence encoder.
    """
    name, folder = resolve_encoder(config)
    with quiet(), as_model_error(name):
        from sentence_transformers import SentenceTransformer

        from rag.models.packed import pack

        model = SentenceTransformer(folder, device=resolve_device(config.device))
        pack(model)
        return model, folder


def encoder_name(config: Config) -> str:
    """The name of the encoder that ``config`` names, without loading it."""
    return ENCODER.name if config.encoder == "default" else config.encoder


class SentenceEncoder(Embeddings):
    """The configured sentence encoder; vectors are float32 of length 1, so that a dot product is the cosine."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.name = encoder_name(config)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``[len(texts), D]`` unit vectors."""
        is_on_cpu = self._loaded[0].device.type == "cpu"
        batches = batches_by_length(texts) if is_on_cpu else [list(range(len(texts)))]
        with one_thread() if is_on_cpu and sum(map(len, texts)) < _SMALL_CHARS else nullcontext():
            rows = [self._encode([texts[i] for i in batch]) for batch in batches]
        if not rows:
            return self._encode([])
        vectors = np.empty((len(texts), rows[0].shape[1]), dtype=np.float32)
        for batch, part in zip(batches, rows, strict=True):
            vectors[batch] = part
        return vectors

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = self._loaded[0].encode(
            texts,
            batch_size=_BATCH,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return vectors.astype(np.float32, copy=False)

    def word_vectors(self, texts: Sequence[str]) -> list[WordVectors] | None:
        """Of each text; ``None`` where the tokenizer does not say which characters a token stands for."""
        from rag.models.word_vectors import encode_words

        model = self._loaded[0]
        with one_thread() if model.device.type == "cpu" else nullcontext():
            return encode_words(model, texts)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """LangChain's form of :meth:`encode`."""
        return [[float(x) for x in row] for row in self.encode(texts)]

    def embed_query(self, text: str) -> list[float]:
        """LangChain's form of :meth:`encode`, for one text."""
        return [float(x) for x in self.encode([text])[0]]

    def token_reader(self) -> TokenReader:
        """How it cuts texts; loads the model."""
        return self._token_reader

    @lazy_property
    def _token_reader(self) -> TokenReader:
        return read_model_tokens(*self._loaded)

    @lazy_property
    def _loaded(self) -> tuple[SentenceTransformer, str]:
        return load_encoder(self._config)


def batches_by_length(texts: Sequence[str]) -> list[list[int]]:
    """Indexes of ``texts`` in batches of similar length, longest first; little of a batch is padding then."""
    batches: list[list[int]] = []
    room = padding = longest = 0  # texts that still go into the last batch; its padding, and its longest text
    for index in sorted(range(len(texts)), key=lambda i: -len(texts[i])):
        padding += longest - len(texts[index])
        if not room or padding > _PADDING_CHARS:
            batches.append([])
            padding, longest = 0, len(texts[index])
            room = max(1, min(_BATCH, _BATCH_CHARS // max(longest, 1)))
        batches[-1].append(index)
        room -= 1
    return batches


class EmbeddingsEncoder:
    """Any LangChain ``Embeddings`` instead of :class:`SentenceEncoder`; its class and model name it by default."""

    def __init__(self, embeddings: Embeddings, name: str = "") -> None:
        self._embeddings = embeddings
        self.name = name or embeddings_name(embeddings)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``[len(texts), D]`` unit vectors."""
        vectors = np.asarray(self._embeddings.embed_documents(list(texts)), dtype=np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        scaled: NDArray[np.float32] = vectors / np.maximum(norms, 1e-12)
        return scaled

    def token_reader(self) -> TokenReader:
        """How it cuts texts; an estimate where the embeddings do not say."""
        return read_tokens(self._embeddings)


class RecentEncoder:
    """An encoder that remembers its last texts: retriever, filter and memory ask for the same question's vector."""

    def __init__(self, encoder: Encoder, size: int = 4096) -> None:
        self._encoder = encoder
        self._size = size
        self._lock = Lock()
        self._vectors: dict[str, NDArray[np.float32]] = {}
        self.name = encoder.name

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``[len(texts), D]`` unit vectors."""
        with self._lock:
            known = {text: self._vectors[text] for text in texts if text in self._vectors}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, self._encoder.encode(new), strict=True))
            self._keep(known)
        return np.stack([known[text] for text in texts]) if texts else np.zeros((0, 0), dtype=np.float32)

    def word_vectors(self, texts: Sequence[str]) -> list[WordVectors] | None:
        """The vectors of words, which are not remembered."""
        return read_words(self._encoder, texts)

    def _keep(self, known: dict[str, NDArray[np.float32]]) -> None:
        with self._lock:
            self._vectors.update(known)
            for text in list(self._vectors)[: -self._size]:
                del self._vectors[text]


# Where the classes of LangChain keep the name of their model.
_MODEL_ATTRIBUTES = ("model_name", "model", "model_id", "repo_id", "deployment", "deployment_name", "model_path")


def embeddings_name(embeddings: Embeddings) -> str:
    """``CLASS(MODEL)``, or the class alone where no attribute names a model."""
    values = (getattr(embeddings, attribute, None) for attribute in _MODEL_ATTRIBUTES)
    models = dict.fromkeys(value for value in values if isinstance(value, str) and value)
    name = type(embeddings).__name__
    return f"{name}({', '.join(models)})" if models else name
