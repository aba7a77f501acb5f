"""Evaluation: data sets, arms, metrics, resumable runs, comparisons and reports.

The name shadows a builtin; import what you need: ``from eval import evaluate``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eval.run.config import RunConfig
    from eval.run.evaluation import Evaluation, evaluate

__all__ = ["Evaluation", "RunConfig", "evaluate"]


def __getattr__(name: str) -> Any:
    # `from eval.metrics.answers import f1` must not load pydantic, numpy and the data sets.
    if name == "RunConfig":
        from eval.run.config import RunConfig

        return RunConfig
    if name in ("Evaluation", "evaluate"):
        from eval.run import evaluation

        return getattr(evaluation, name)
    raise AttributeError(f"module 'eval' has no attribute {name!r}")
