"""The tokenizer of the default encoder, and what its model card says."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.core.settings.config import Config
from rag.core.tokens import EstimatedTokens, read_tokens
from rag.ingest.blocks import Block, ParsedDocument
from rag.ingest.source import Source
from rag.ingest.split import Lengths, split
from rag.models.sentence_encoder import EmbeddingsEncoder, SentenceEncoder
from rag.models.token_reader import read_languages
from tests.conftest import HashEmbeddings


def test_an_encoder_without_a_tokenizer_gets_an_estimate() -> None:
    assert isinstance(read_tokens(EmbeddingsEncoder(HashEmbeddings())), EstimatedTokens)
    assert isinstance(read_tokens(object()), EstimatedTokens)


@pytest.mark.parametrize(
    ("card", "languages"),
    [
        ("---\nlanguage: en\n---\n# Model", {"en"}),
        ("---\nlanguage:\n- en\n- zh-CN\n---\n", {"en", "zh"}),
        ("---\nlanguage: multilingual\n---\n", set()),
        ("---\nlicense: mit\n---\n", set()),
        ("---\nlanguage: [en\n---\n", set()),
        ("# No head", set()),
        (None, set()),
    ],
)
def test_the_languages_of_a_model_card(tmp_path: Path, card: str | None, languages: set[str]) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert read_languages(tmp_path) == languages


@pytest.mark.real
def test_no_passage_is_longer_than_the_default_encoder_reads() -> None:
    encoder = SentenceEncoder(Config())
    reader = read_tokens(encoder)
    model, _ = encoder._loaded
    assert (reader.max_tokens, reader.languages) == (model.max_seq_length - 2, {"en"})
    document = ParsedDocument(
        (
            Block("A heading of the section", "heading", 1),
            Block("The log notes the tide. " * 200),
            Block("工作日志记录了每天的潮汐、风向。" * 100),
            Block("ผู้จัดการท่าเรือคือสมชาย" * 100),
            Block("x" * 5000),
        ),
        "A title of some words",
    )
    passages = split(Source("s", lambda: b"", ".txt"), document, Lengths(reader.max_tokens, 32), reader)
    texts = [f"{passage.title}\n{passage.heading}\n{passage.text}" for passage in passages]
    lengths = [len(ids) for ids in model.tokenizer(texts)["input_ids"]]
    assert max(lengths) <= model.max_seq_length
    # Full passages, not cautious ones: all but the last of each kind of text.
    assert sum(length > 0.8 * model.max_seq_length for length in lengths) > 8


@pytest.mark.real
def test_tokens_are_those_of_the_model() -> None:
    encoder = SentenceEncoder(Config())
    (tokens,) = read_tokens(encoder).read(["The ferry sails. ผู้"])
    model, _ = encoder._loaded
    assert len(tokens.starts) == len(model.tokenizer.tokenize("The ferry sails. ผู้"))
    assert list(tokens.starts[:4]) == [0, 4, 10, 15]
