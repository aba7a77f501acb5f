"""All stages of the pipeline, in order. A new stage is one module in ``stages/`` and one line here."""

from __future__ import annotations

from rag.pipeline.components import Components
from rag.pipeline.run import Pipeline
from rag.pipeline.stages.compress import CompressStage
from rag.pipeline.stages.deepen import DeepenStage
from rag.pipeline.stages.filter import FilterStage
from rag.pipeline.stages.fit import FitStage
from rag.pipeline.stages.generate import GenerateStage
from rag.pipeline.stages.inquire import InquireStage
from rag.pipeline.stages.judge import JudgeStage
from rag.pipeline.stages.patch import PatchStage
from rag.pipeline.stages.recall import RecallStage, RememberStage
from rag.pipeline.stages.report import ReportStage
from rag.pipeline.stages.retrieve import RetrieveStage
from rag.pipeline.stages.rewrite import RewriteStage
from rag.pipeline.stages.skill import SkillStage
from rag.pipeline.stages.support import SupportStage
from rag.pipeline.state import Stage


def build_search(parts: Components) -> tuple[Stage, ...]:
    """From a question to its passages. No generator is loaded unless a query's setting is ``model``."""
    return (
        RewriteStage(parts.rewriter),
        RecallStage(parts.question_cache, parts.encoder),
        RetrieveStage(parts.retriever),
        DeepenStage(parts.encoder),
        FilterStage(parts.filter),
        SupportStage(parts.filter, parts.config.abstain_below),
        RememberStage(parts.question_cache, parts.encoder),
    )


def build(parts: Components) -> Pipeline:
    """From a question to its answer."""
    return Pipeline(
        search=build_search(parts),
        prepare=(
            PatchStage(lambda: parts.patches, parts.generator, parts.encoder),
            SkillStage(lambda: parts.skills),
            CompressStage(parts.encoder),
            FitStage(parts.generator),
            InquireStage(parts.inquirer),
        ),
        generate=GenerateStage(parts.generator),
        after=(
            JudgeStage(parts.inquirer),
            ReportStage(parts.config.conflict_threshold),
        ),
    )
