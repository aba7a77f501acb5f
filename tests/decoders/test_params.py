"""Decoder settings: what is accepted, and what the refusals say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from decoders.checks import DecoderSettingError
from decoders.params import (
    DECODER_NAMES,
    AdaCad,
    CkPlug,
    changed_settings,
    decoder_params,
)


@pytest.mark.parametrize("name", DECODER_NAMES)
def test_every_decoder_has_defaults(name: str) -> None:
    params = decoder_params(name)
    assert params.name == name
    assert changed_settings(params) == {}


def test_streams_are_read_without_torch() -> None:
    """Clients and the pipeline ask which streams a rule reads before any tensor code is loaded."""
    code = "import sys, decoders.params, decoders.streams; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_settings_reach_the_decoder_and_back() -> None:
    params = decoder_params("ckplug", {"alpha": 0.25, "profile": "paper"})
    assert params == CkPlug(alpha=0.25, profile="paper")
    assert decoder_params("ckplug", changed_settings(params)) == params


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("adacad", {"alpha": 7}, ["adacad", "alpha", "floor", "cad, coiecd"]),
        ("plain", {"alpha": 1.0}, ["plain", "no settings"]),
        ("greedy", {}, ["greedy", "adacad", "memory"]),
        ("cad", {"alpha": -1.0}, ["alpha=-1.0", "at least 0"]),
        ("cad", {"alpha": float("nan")}, ["nan"]),
        ("cad", {"alpha": "auto"}, ["'auto'", "number"]),
        ("cad", {"alpha": True}, ["True"]),
        ("ckplug", {"alpha": 1.5}, ["1.5", "from 0 to 1", "auto"]),
        ("ckplug", {"profile": "mine"}, ["mine", "released", "paper"]),
        ("dial", {"alpha": -0.1}, ["-0.1", "from 0 to 1", "auto"]),
        ("dial", {"alpha": "most"}, ["most", "from 0 to 1", "auto"]),
        ("dial", {"plausible": 2}, ["plausible=2", "from 0 to 1"]),
        ("dial", {"knows": "auto"}, ["knows='auto'", "from 0 to 1"]),
        ("adacad", {"log_base": "10"}, ["10", "e, 2"]),
    ],
)
def test_refusals_say_what_is_allowed(name: str, settings: dict[str, object], words: list[str]) -> None:
    with pytest.raises(DecoderSettingError) as caught:
        decoder_params(name, settings)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_profiles_have_their_own_threshold() -> None:
    assert CkPlug(profile="paper").threshold == 0.0
    assert CkPlug().threshold == -1.0
    assert CkPlug(epsilon=-3.0).threshold == -3.0
    assert AdaCad().floor == 0.0
