"""Pairs inside vLLM: logits processors for both model runners, and a scheduler that keeps pairs in step.

``PairProcessor`` is registered as an entry point (group ``vllm.logits_processors``); the scheduler is named when the
engine starts: ``vllm serve MODEL --scheduler-cls decoders.vllm_plugin.scheduler.PairScheduler``. ``concord serve-llm``
does both. :mod:`decoders.vllm_plugin.compat` names the versions of vLLM that fit.
"""
