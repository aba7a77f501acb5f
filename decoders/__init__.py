"""Conflict-aware decoding rules and their settings."""

from decoders.checks import DecoderSettingError
from decoders.params import (
    DECODER_NAMES,
    AdaCad,
    Cad,
    CkPlug,
    Coiecd,
    DecoderParams,
    Dial,
    Memory,
    Plain,
    decoder_params,
)

__all__ = [
    "DECODER_NAMES",
    "AdaCad",
    "Cad",
    "CkPlug",
    "Coiecd",
    "DecoderParams",
    "DecoderSettingError",
    "Dial",
    "Memory",
    "Plain",
    "decoder_params",
]
