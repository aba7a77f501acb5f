"""``concord eval``: measure the engine on questions with known answers."""

from __future__ import annotations

from rag.cli.evaluation.run import eval_app

__all__ = ["eval_app"]
