"""Conflict-aware decoding rules and their settings."""

from decoders.params import (
    DECODER_NAMES,
    AdaCad,
    Cad,
    CkPlug,
    Coiecd,
    DecoderParams,
    DecoderSettingError,
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
    "Memory",
    "Plain",
    "decoder_params",
]
