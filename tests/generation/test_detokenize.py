"""Text as it becomes final."""

from __future__ import annotations

from rag.generation.detokenize import TextBuilder


class Letters:
    """Decodes each id as a piece of a fixed list; bytes of one character may span two ids."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    def decode(self, ids: list[int], *, skip_special_tokens: bool) -> str:
        return b"".join(self._pieces[i] for i in ids).decode("utf-8", errors="replace")


def pieces(stop: tuple[str, ...], *texts: bytes) -> tuple[list[str], TextBuilder]:
    builder = TextBuilder(Letters(*texts), stop)
    given = []
    for index in range(len(texts)):
        given.append(builder.add(index))
        if builder.is_stopped:
            return given, builder
    return [*given, builder.finish()], builder


def test_a_split_character_waits() -> None:
    given, builder = pieces((), b"caf", b"\xc3", b"\xa9", b" au")
    assert given == ["caf", "", "é", " au", ""]
    assert builder.text == "café au"


def test_a_possible_stop_string_waits() -> None:
    given, _ = pieces(("END",), b"x E", b"N", b"Y")
    assert given == ["x ", "", "ENY", ""]


def test_a_stop_string_across_tokens_is_cut_out() -> None:
    given, builder = pieces(("END",), b"abc E", b"ND more")
    assert "".join(given) == builder.text == "abc "
    assert builder.is_stopped


def test_the_earliest_stop_string_wins() -> None:
    _, builder = pieces(("b", "a"), b"xx", b"yab")
    assert builder.text == "xxy"


def test_leading_blanks_are_no_answer() -> None:
    given, builder = pieces((), b" Paris", b" is")
    assert "".join(given) == builder.text == "Paris is"
