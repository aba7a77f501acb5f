"""Text as it becomes final: whole characters, no stop strings, and a cost that does not grow with the answer."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from tokenizers.decoders import DecodeStream
from transformers import PreTrainedTokenizerFast

from rag.generation.detokenize import StreamDecoder, TextBuilder, WindowDecoder, incremental_decoder

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Letters:
    """A slow tokenizer: decodes each id as a piece of a fixed list; bytes of one character may span two ids."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.num_decoded = 0

    def decode(self, ids: list[int], *, skip_special_tokens: bool) -> str:
        self.num_decoded += len(ids)
        return b"".join(self._pieces[i] for i in ids).decode("utf-8", errors="replace")


def byte_level() -> Tokenizer:
    """A fast tokenizer with one token for each byte, as GPT-2's; id = byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    vocab = {chr(byte if byte in printable else next(others)): byte for byte in range(256)}
    tokenizer = Tokenizer(models.BPE(vocab, []))
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def sentence_piece() -> tuple[Tokenizer, dict[str, int]]:
    """A fast tokenizer of the sentence-piece kind: words with a blank before them, and bytes."""
    words = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁Paris", "▁is", "▁", "a"]
    vocab = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocab, [], unk_token="<unk>", byte_fallback=True))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer, vocab


def pieces(stop: tuple[str, ...], *texts: bytes) -> tuple[list[str], TextBuilder]:
    builder = TextBuilder(Letters(*texts), stop)
    released = []
    for index in range(len(texts)):
        released.append(builder.add(index))
        if builder.is_stopped:
            return released, builder
    return [*released, builder.finish()], builder


def test_a_split_character_waits() -> None:
    released, builder = pieces((), b"caf", b"\xc3", b"\xa9", b" au")
    assert released == ["caf", "", "é", " au", ""]
    assert builder.text == "café au"


def test_a_possible_stop_string_waits() -> None:
    released, _ = pieces(("END",), b"x E", b"N", b"Y")
    assert released == ["x ", "", "ENY", ""]


def test_a_stop_string_across_tokens_is_cut_out() -> None:
    released, builder = pieces(("END",), b"abc E", b"ND more")
    assert "".join(released) == builder.text == "abc "
    assert builder.is_stopped
    assert builder.finish() == ""


def test_the_earliest_stop_string_wins() -> None:
    _, builder = pieces(("b", "a"), b"xx", b"yab")
    assert builder.text == "xxy"


def test_leading_blanks_are_no_answer() -> None:
    released, builder = pieces((), b" ", b" Paris", b" is")
    assert "".join(released) == builder.text == "Paris is"


@pytest.mark.parametrize("is_fast", [True, False])
def test_a_character_that_the_length_cuts_is_dropped(is_fast: bool) -> None:
    """What was whole before it stays."""
    text = "caf好".encode()[:-1]
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_object=byte_level())
    builder = TextBuilder(tokenizer if is_fast else Letters(*(bytes([byte]) for byte in range(256))), ())
    released = "".join([*map(builder.add, text), builder.finish()])
    assert released == builder.text == "caf"
    _, mixed = pieces((), b"caf", b" \xe5\xa5")
    assert mixed.text == "caf "


def test_fast_tokenizers_use_the_stream_of_their_library() -> None:
    fast = PreTrainedTokenizerFast(tokenizer_object=byte_level())
    assert isinstance(incremental_decoder(fast), StreamDecoder)
    assert isinstance(incremental_decoder(Letters()), WindowDecoder)


@given(st.text(st.characters(exclude_characters=REPLACEMENT, exclude_categories=["Cs"]), max_size=60))
@settings(max_examples=80, deadline=None)
def test_every_character_comes_out_whole(text: str) -> None:
    letters = Letters(*(bytes([byte]) for byte in range(256)))
    for decoder in (StreamDecoder(byte_level()), WindowDecoder(letters)):
        released = [decoder.add(byte) for byte in text.encode()]
        assert "".join([*released, decoder.finish()]) == text
        assert [piece for piece in released if piece] == list(text)


def test_words_of_the_sentence_piece_kind_keep_their_blanks() -> None:
    tokenizer, vocab = sentence_piece()
    ids = [vocab[word] for word in ("▁Paris", "▁is", "▁", "a", "<0xE5>", "<0xA5>", "<0xBD>", "▁is", "<0xE5>")]
    decoder = StreamDecoder(tokenizer)
    assert [*map(decoder.add, ids), decoder.finish()] == ["Paris", " is", " ", "a", "", "", "好", " is", "", ""]


def test_bytes_that_are_no_text_end_no_answer() -> None:
    """The library's stream raises over them; the words between them still come out."""
    tokenizer, vocab = sentence_piece()
    rng = random.Random(3)
    num_raised = 0
    for _ in range(300):
        ids = [rng.choice([rng.randrange(1, 257), vocab["▁Paris"]]) for _ in range(20)]
        decoder = StreamDecoder(tokenizer)
        text = "".join([*map(decoder.add, ids), decoder.finish()])
        assert text.count("Paris") == ids.count(vocab["▁Paris"])
        num_raised += raises(tokenizer, ids)
    assert num_raised  # else this test could not fail


def raises(tokenizer: Tokenizer, ids: list[int]) -> bool:
    stream = DecodeStream(skip_special_tokens=True)
    try:
        for token_id in ids:
            stream.step(tokenizer, token_id)
    except Exception:
        return True
    return False


@pytest.mark.parametrize("piece", [b"ab ", b"\xe5"], ids=["words", "bytes that never are a character"])
def test_the_cost_of_a_token_does_not_grow(piece: bytes) -> None:
    """Decoding everything again at each token would read 2,000,000 ids here."""
    tokenizer = Letters(piece)
    builder = TextBuilder(tokenizer, ("END",))
    for _ in range(2000):
        builder.add(0)
    builder.finish()
    assert tokenizer.num_decoded < 2000 * 100
