"""Packing loses nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kg.packed import PackedExtraction
from kg.types import Extraction, Mention, Provenance, Triple

places = st.builds(Provenance, st.just("d"), st.just("d:0"), st.integers(0, 2**31), st.integers(0, 2**31))
names = st.sampled_from(["ada", "mill", "port"])
mentions = st.lists(st.builds(Mention, names, places, st.booleans()), max_size=6).map(tuple)
triples = st.lists(st.builds(Triple, names, st.text(max_size=5), names, places), max_size=3).map(tuple)


@given(mentions, triples, st.lists(st.text(max_size=5), max_size=2).map(tuple))
def test_what_was_packed_comes_back(
    mentions: tuple[Mention, ...], triples: tuple[Triple, ...], rejected: tuple[str, ...]
) -> None:
    extraction = Extraction("d", "d:0", mentions, triples, rejected)
    packed = PackedExtraction.pack(extraction)
    assert packed.unpack("d:0") == extraction
    assert list(packed.named()) == [(mention.entity, mention.is_title) for mention in mentions]
    assert sorted(packed.names) == sorted({mention.entity for mention in mentions})
