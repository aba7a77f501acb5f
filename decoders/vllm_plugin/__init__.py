"""Pairs inside vLLM: logits processors for both model runners, and a scheduler that keeps pairs in step.

``PairProcessor`` is registered as an entry point (group ``vllm.logits_processors``); the scheduler is named when the
engine starts: ``vllm serve MODEL --scheduler-cls decoders.vllm_plugin.scheduler.PairScheduler``. ``concord serve-llm``
does both.
"""

from __future__ import annotations

SUPPORTED = ("0.32", "0.33")


def check_version(installed: str) -> None:
    """Refuse a vLLM whose private names this plugin was not tested with.

    Raises:
        ImportError: the version is outside the range; the message names it.
    """
    if ".".join(installed.split(".")[:2]) not in SUPPORTED:
        tested = " and ".join(f"{version}.x" for version in SUPPORTED)
        raise ImportError(
            f"contrastive decoding was tested with vLLM {tested}; found {installed}: install vllm=={SUPPORTED[0]}.*"
        )
