"""What the sentences of a patch are about: one vector each, by which a question finds the sentence that answers it.

A patch that recites is a memory with keys: the keys are these vectors, the values are in the weights, and the text is
in neither. Vectors of two encoders cannot be compared. So an index keeps the vector of a fixed text, the probe, which
the encoder that reads the index must reproduce.

Source: key-value memories, after Miller et al. 2016; ours, that the values are the weights of a patch.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag.core.encoding import Encoder, Vectors, passage_text
from rag.core.errors import PatchError
from rag.library.encoder import PROBE_TEXT, is_same_vector


@dataclass(frozen=True, eq=False)
class SentenceIndex:
    """The vectors of a patch's sentences.

    Attributes:
        encoder: the name of what made the vectors.
        probe: ``[D]``, of the fixed text.
        vectors: ``[N, D]``, by number of the sentence, which begins at 1.
    """

    encoder: str
    probe: Vectors
    vectors: Vectors

    def check(self, encoder: Encoder, key: str) -> None:
        """Refuse an encoder that did not make these vectors.

        Args:
            encoder: is to be compared with.
            key: of the patch, for the message.

        Raises:
            PatchError: its vectors are others.
        """
        if not is_same_vector(self.probe, encoder.encode([PROBE_TEXT])[0]):
            raise PatchError(
                f"the sentences of patch {key} are found by vectors of encoder {self.encoder!r}, and this "
                f"{encoder.name!r} makes others; use that encoder, or remove the patch and build it again"
            )

    def to_text(self) -> str:
        """The index as JSON, its numbers in float16."""
        numbers = np.concatenate([self.probe[None], self.vectors]).astype("<f2")
        fields = {"encoder": self.encoder, "size": len(self.probe), "numbers": base64.b64encode(numbers).decode()}
        return json.dumps(fields)

    @classmethod
    def from_text(cls, text: str) -> SentenceIndex:
        """What :meth:`to_text` wrote.

        Raises:
            ValueError, KeyError, TypeError: it is something else.
        """
        fields = json.loads(text)
        numbers = np.frombuffer(base64.b64decode(fields["numbers"], validate=True), dtype="<f2")
        rows = numbers.reshape(-1, fields["size"]).astype(np.float32)
        return cls(fields["encoder"], rows[0], rows[1:])


def index_sentences(encoder: Encoder, title: str, sentences: Sequence[str]) -> SentenceIndex:
    """The index of a document's sentences; each is encoded under the title, as passages are."""
    rows = encoder.encode([PROBE_TEXT, *(passage_text(title, sentence) for sentence in sentences)])
    return SentenceIndex(encoder.name, rows[0], rows[1:])
