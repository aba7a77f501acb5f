"""How far a verdict can be trusted: memory against documents, silence, several answers, and what it costs.

    python benchmarks/verdict.py [--quick] [--rows N] [--only KEY ...] [--configurations NAME ...]

Configurations: ``default`` (the product as it ships), ``default_bare`` (without skills), ``qwen0.5b`` (a larger model,
if it is at hand). Everything goes through ``Engine.answer_with``, so the product is measured. Rows are the odd-numbered
ones of each set; weights and thresholds were chosen on even-numbered ones. Of squad2 only the two articles that the
reader skill did not learn from. ``--quick`` takes few rows and the default alone: under three minutes.

Keys of the JSON object on the last line, each an object by configuration:

* memory_relation: accuracy over agrees, contradicts, unsure and silent. The truth follows from the data: the model
  knows what it answers right without documents. false_alarm: share called "contradicts" where it agrees or cannot know.
  missed: share of true contradictions that are called something else.
* knows_auc: area under the curve of ``knows``, of right against wrong answers without documents. Calibrate a model
  that has no calibration first (``concord models calibrate``); ``details`` says whether it has one.
* silent: share of irrelevant and answerable passages called silent. Adversarial questions by the encoder alone, at the
  threshold of its chance that calls one in ten of squad2's answerable ones silent.
* documents_relation: F1 of "contradicts" between two passages (``benchmarks/verdict_documents.py``).
* ramdocs_strict: all right answers and no wrong one, policy ``all``; ``details`` has the other policies.
* answers: the smallest difference to the joint answer alone, over the sets; ``details`` has the share supported.
* dial: ``benchmarks/verdict_dial.py``.
* cost: time of a question over the same question as version 0.1 asked it, without a verdict and without a skill, by the
  same decoder and with probes; three passages, by turns. ``details`` has the cost over the same question without a
  verdict alone, which is stricter: the skill's answers are short.

``details`` holds counts, confusion matrices and tokens.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import verdict_cases as cases
from benchmarks.sets import DATA, area_under_curve
from benchmarks.verdict_cases import Case
from eval.metrics.answers import contains_answer, normalize
from rag.cli.common import counting_bar
from rag.conflicts.memory.calibration import knows, recall
from rag.conflicts.memory.recall import Recall
from rag.conflicts.reading.reader import Reader
from rag.core.answer import Answer
from rag.engine import Engine

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATIONS = ("default", "default_bare", "qwen0.5b")
RELATIONS = ("agrees", "contradicts", "unsure", "silent")
POLICIES = ("documents", "majority", "all")
NUM_ROWS, NUM_QUICK = 60, 3
BATCH = 8
MAX_TOKENS = 32
ADVERSARIAL_AT = 0.10
# Rows of squad2 for the chance that a passage answers, times the rows of the other sets: no generator is asked.
NUM_ESTIMATED = 16
# Questions of each set that memory alone is asked, times the rows of the other figures: a small model knows few.
NUM_RECALLED = 8
Result = tuple[Any, dict[str, Any]]


def main() -> None:
    """Measure, print a table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{NUM_QUICK} rows of each set, the default model alone")
    parser.add_argument("--rows", type=int, help=f"rows of each set (default {NUM_ROWS})")
    parser.add_argument("--only", nargs="+", choices=(*MEASURES, *SCRIPTS), help="these keys alone")
    parser.add_argument("--configurations", nargs="+", choices=CONFIGURATIONS, help="these alone")
    args = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"no data sets at {DATA}")
    num_rows = args.rows or (NUM_QUICK if args.quick else NUM_ROWS)
    names = args.configurations or (CONFIGURATIONS[:1] if args.quick else CONFIGURATIONS)
    result: dict[str, Any] = {"details": {"rows": num_rows, "split": "odd-numbered rows"}}
    measured = [key for key in MEASURES if not args.only or key in args.only]
    for name in names if measured else ():
        with open_engine(name) as engine:
            if engine is None:
                result["details"][name] = "not measured: the model is not at hand"
                continue
            measure(engine, name, num_rows, measured, result)
    for key, script in SCRIPTS.items():
        if key == "dial" and args.quick and not args.only:
            result["details"][key] = "takes minutes of its own: benchmarks/verdict_dial.py --quick"
        elif not args.only or key in args.only:
            name, quick = script
            result[key] = run_script(name, quick if args.quick else ())
    show(result)
    print(json.dumps(result))


def measure(engine: Engine, name: str, num_rows: int, keys: Sequence[str], result: dict[str, Any]) -> None:
    """All keys of one configuration, into ``result``."""
    for key, function in MEASURES.items():
        if key not in keys:
            continue
        figures, details = function(engine, num_rows)
        for figure, value in (figures if isinstance(figures, dict) and key != "silent" else {key: figures}).items():
            result.setdefault(figure, {})[name] = value
        result["details"].setdefault(key, {})[name] = details


@contextmanager
def open_engine(name: str) -> Iterator[Engine | None]:
    """The engine of a configuration over an empty library; ``None`` if its model is not at hand."""
    settings: dict[str, Any] = {}
    if name == "default_bare":
        settings["skill"] = "none"
    if name == "qwen0.5b":
        script = DATA.parent / "models" / "fetch.py"
        done = subprocess.run([sys.executable, str(script), name], capture_output=True, text=True, check=False)
        if done.returncode:
            yield None
            return
        settings["model"] = done.stdout.strip().splitlines()[-1]
    with tempfile.TemporaryDirectory() as folder, Engine.open(folder, **settings) as engine:
        yield engine


def answer(engine: Engine, chosen: Sequence[Any], **options: Any) -> list[Answer]:
    """Every case answered from its passages."""
    answers: list[Answer] = []
    with counting_bar("Answering") as watch:
        for start in range(0, len(chosen), BATCH):
            batch = chosen[start : start + BATCH]
            questions, passages = [case.question for case in batch], [case.passages for case in batch]
            answers += engine.answer_with(questions, passages, **({"max_tokens": MAX_TOKENS} | options))
            watch(len(answers), len(chosen))
    if options.get("verdict", True) and any(item.verdict is None for item in answers):
        raise SystemExit("an answer has no verdict; turn the setting 'verdict' on")
    return answers


def memory_relation(engine: Engine, num_rows: int) -> Result:
    """memory_relation, false_alarm, missed."""
    chosen = cases.relation_cases(num_rows)
    answers = answer(engine, chosen)
    said = [item.verdict.memory.relation for item in answers]
    true = [case.expected(item.verdict.memory.answer) for case, item in zip(chosen, answers, strict=True)]
    pairs = list(zip(true, said, strict=True))
    harmless = [word for truth, word in pairs if truth in ("agrees", "unsure")]
    clashes = [word for truth, word in pairs if truth == "contradicts"]
    figures = {
        "memory_relation": share([truth == word for truth, word in pairs]),
        "false_alarm": share([word == "contradicts" for word in harmless]),
        "missed": share([word != "contradicts" for word in clashes]),
    }
    confusion = {truth: {word: Counter(pairs)[truth, word] for word in RELATIONS} for truth in RELATIONS}
    return figures, {"confusion": confusion, "arms": dict(Counter(case.arm for case in chosen))}


def knows_auc(engine: Engine, num_rows: int) -> Result:
    """knows_auc, over the questions of nq_synth and pairs. Memory alone is asked, as a verdict asks it."""
    cases_asked = cases.relation_cases(NUM_RECALLED * num_rows)
    chosen = [case for case in cases_asked if case.arm.endswith(" agreeing")]
    generator, calibration = engine.components.generator(), engine.components.calibration
    memories: list[Recall] = []
    with counting_bar("Recalling") as watch:
        for start in range(0, len(chosen), BATCH):
            memories += recall(generator, [case.question for case in chosen[start : start + BATCH]])
            watch(len(memories), len(chosen))
    chances = [knows(memory, calibration) for memory in memories]
    known = [bool(contains_answer(m.answer, case.answers)) for m, case in zip(memories, chosen, strict=True)]
    right = [chance for chance, is_known in zip(chances, known, strict=True) if is_known]
    wrong = [chance for chance, is_known in zip(chances, known, strict=True) if not is_known]
    details = {"known": len(right), "unknown": len(wrong), "is_calibrated": calibration is not None}
    return (area_under_curve(right, wrong) if right and wrong else None), details


def silent(engine: Engine, num_rows: int) -> Result:
    """The object of ``silent``."""
    squad = cases.squad_cases(4 * num_rows)
    chosen = [*cases.irrelevant_cases(num_rows), *_answerable(num_rows), *squad]
    by_arm: dict[str, list[bool]] = {}
    for case, item in zip(chosen, answer(engine, chosen), strict=True):
        by_arm.setdefault(case.arm, []).append(item.verdict.memory.relation == "silent")
    more = cases.squad_cases(NUM_ESTIMATED * num_rows)
    sheets = Reader(engine.components.encoder).prepare([c.question for c in more], [c.passages for c in more])
    pairs = [(case, sheet.supported[0]) for case, sheet in zip(more, sheets, strict=True)]
    threshold = float(np.quantile([value for case, value in pairs if case.arm == "answerable"], ADVERSARIAL_AT))
    figures = {
        "irrelevant": share(by_arm["irrelevant"]),
        "answerable": share(by_arm["nq agreeing"]),
        "adversarial": share([value < threshold for case, value in pairs if case.arm == "adversarial"]),
    }
    details: dict[str, Any] = {arm: {"rows": len(flags), "silent": share(flags)} for arm, flags in by_arm.items()}
    return figures, details | {"rows of adversarial": dict(Counter(case.arm for case in more))}


def _answerable(num_rows: int) -> list[Case]:
    return [case for case in cases.relation_cases(num_rows) if case.arm == "nq agreeing"]


def ramdocs_strict(engine: Engine, num_rows: int) -> Result:
    """ramdocs_strict of policy ``all``. ``details`` tell questions with one right answer from those with several."""
    chosen = cases.ramdocs_cases(num_rows)
    by_policy, by_number = {}, {}
    for policy in POLICIES:
        given = zip(chosen, answer(engine, chosen, policy=policy), strict=True)
        flags = [(len(case.answers) == 1, case.is_strict(item.text)) for case, item in given]
        by_policy[policy] = share([flag for _, flag in flags])
        by_number[policy] = {
            "one right answer": share([flag for is_single, flag in flags if is_single]),
            "several": share([flag for is_single, flag in flags if not is_single]),
        }
    return by_policy["all"], {"rows": len(chosen), "policies": by_policy, "by number of right answers": by_number}


def answers(engine: Engine, num_rows: int) -> Result:
    """answers: what the verdict loses or wins against the joint answer."""
    squad = [case for case in cases.squad_cases(2 * num_rows) if case.answers]
    nq = [case for case in cases.relation_cases(num_rows) if case.arm.startswith("nq")]
    chosen = [*nq, *squad, *cases.hotpot_cases(num_rows)]
    judged, joint = answer(engine, chosen, policy="documents"), answer(engine, chosen, verdict=False)
    by_arm: dict[str, list[tuple[float, float]]] = {}
    for case, one, other in zip(chosen, judged, joint, strict=True):
        wanted = [case.altered] if case.altered else case.answers
        pair = contains_answer(one.text, wanted), contains_answer(other.text, wanted)
        by_arm.setdefault(case.arm, []).append(pair)
    shares = {arm: tuple(np.mean(pairs, axis=0).round(4).tolist()) for arm, pairs in by_arm.items()}
    supported = share([is_supported(item, case) for item, case in zip(judged, chosen, strict=True)])
    details = {"policy documents and joint answer": shares, "supported": supported, "rows": len(chosen)}
    return min(one - other for one, other in shares.values()), details


def is_supported(item: Answer, case: Case) -> bool:
    """Whether a cited passage holds the leading answer, or the answer says that the documents do not say."""
    texts = [f" {normalize(citation.passage)} " for citation in item.citations]
    positions = item.verdict.positions if item.verdict else ()
    if not positions:
        return item.verdict is not None
    words = normalize(positions[0].answer)
    return contains_answer(item.text, [words]) > 0 and any(f" {words} " in text for text in texts)


def cost(engine: Engine, num_rows: int) -> Result:
    """cost: the same questions with a verdict, without one, and without one and a skill, by turns."""
    chosen = cases.hotpot_cases(max(num_rows // 2, 3))
    ways: dict[str, dict[str, Any]] = {
        "verdict": {},
        "no verdict": {"verdict": False},
        "no verdict, no skill": {"verdict": False, "skill": "none"},
    }
    spent, tokens = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0)
    for options in ways.values():
        answer(engine, chosen[:1], **options)  # models are loaded on first use
    for case in chosen:
        for way, options in ways.items():
            started = time.perf_counter()
            counts = answer(engine, [case], **options)[0].tokens
            spent[way] += time.perf_counter() - started
            tokens[way] += counts.context_prompt + counts.parametric_prompt + counts.generated + counts.voices
    details = {
        "questions": len(chosen),
        "seconds per question": {way: round(value / len(chosen), 2) for way, value in spent.items()},
        "tokens per question": {way: value / len(chosen) for way, value in tokens.items()},
        "over no verdict": spent["verdict"] / spent["no verdict"],
    }
    return spent["verdict"] / spent["no verdict, no skill"], details


def share(flags: Sequence[bool | float]) -> float | None:
    """Share of true ones; ``None`` of nothing."""
    return float(np.mean(flags)) if len(flags) else None


MEASURES: dict[str, Callable[[Engine, int], Result]] = {
    "memory_relation": memory_relation,
    "knows_auc": knows_auc,
    "silent": silent,
    "ramdocs_strict": ramdocs_strict,
    "answers": answers,
    "cost": cost,
}
# Benchmarks of their own, whose JSON line becomes the value; with what makes them quick.
SCRIPTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "documents_relation": ("verdict_documents.py", ()),
    "dial": ("verdict_dial.py", ("--quick",)),
}


def run_script(name: str, options: Sequence[str]) -> Any:
    """The JSON object on the last line of another benchmark; a reason where it cannot be run."""
    command = [sys.executable, str(ROOT / "benchmarks" / name), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"{name} failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.returncode}"
    return json.loads(done.stdout.strip().splitlines()[-1])


def show(result: dict[str, Any]) -> None:
    """The figures as a table."""
    table = Table("figure", *CONFIGURATIONS)
    for key, values in result.items():
        if isinstance(values, dict) and key != "details" and key not in SCRIPTS:
            table.add_row(key, *(text(values.get(name)) for name in CONFIGURATIONS))
    Console(width=120).print(table)


def text(value: Any) -> str:
    """A figure for the table."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {text(item)}" for name, item in value.items())
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
