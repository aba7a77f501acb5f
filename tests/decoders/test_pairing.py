"""Halves as text, and pairs among rows."""

from __future__ import annotations

import pytest

from decoders.pairing import KEY, Half, HalfRow, PairError, match
from decoders.params import AdaCad, CkPlug, Dial
from decoders.sampling import Draw


@pytest.mark.parametrize(
    "half",
    [
        Half("a", "context", AdaCad()),
        Half("b", "parametric", CkPlug(alpha=0.25, profile="paper")),
        Half("b", "context", Dial(0.3)),
        Half("b", "parametric", Dial(knows=0.75, plausible=0.3)),
        Half("c", "context", AdaCad(floor=0.3), Draw(temperature=0.7, seed=2**63 + 5)),
        Half("c", "context", AdaCad(), Draw(forced=(7, 0)), (7, 0)),
    ],
)
def test_a_half_survives_as_text(half: Half) -> None:
    assert Half.from_extra_args({KEY: half.to_text(), "other": 1}) == half


@pytest.mark.parametrize("extra", [None, {}, {"other": "x"}])
def test_a_request_without_the_key_is_no_half(extra: dict[str, str] | None) -> None:
    assert Half.from_extra_args(extra) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense", "JSON object"),
        ("[]", "JSON object"),
        ('{"pair": "a", "role": "context"}', "decoder"),
        ('{"pair": "a", "role": "third", "decoder": "cad"}', "role"),
        ('{"pair": "", "role": "context", "decoder": "cad"}', "pair"),
        ('{"pair": "a", "role": "context", "decoder": "cad", "alfa": 1}', "settings"),
        ('{"pair": "a", "role": "context", "decoder": "cad", "settings": {"alpha": -1}}', "alpha=-1"),
        ('{"pair": "a", "role": "context", "decoder": "magic"}', "unknown decoder"),
        ('{"pair": "a", "role": "context", "decoder": "cad", "draw": {"heat": 1}}', "JSON object"),
        ('{"pair": "a", "role": "context", "decoder": "cad", "forced": ["x"]}', "JSON object"),
    ],
)
def test_what_is_no_half_is_told(text: str, reason: str) -> None:
    with pytest.raises(PairError, match=reason):
        Half.from_extra_args({KEY: text})


def test_a_rule_over_other_streams_is_no_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AdaCad, "streams", ("context", "passage:*"))
    with pytest.raises(PairError, match=r"'adacad' reads the streams context, passage:\*; a pair has only context and"):
        Half("a", "context", AdaCad())


def test_match_leaves_lone_halves_out() -> None:
    rows = {
        7: HalfRow(Half("a", "context", AdaCad()), (), [1]),
        2: HalfRow(Half("b", "parametric", AdaCad())),
        4: HalfRow(Half("a", "parametric", AdaCad()), (), [1]),
        0: HalfRow(Half("c", "context", AdaCad())),
        5: HalfRow(Half("c", "parametric", AdaCad()), (), [3]),
    }
    pairs = match(rows)
    assert [(pair.context_row, pair.parametric_row) for pair in pairs] == [(0, 5), (7, 4)]
    assert [pair.is_in_step for pair in pairs] == [False, True]
    assert [pair.position for pair in pairs] == [0, 1]
