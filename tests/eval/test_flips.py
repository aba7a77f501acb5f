"""Flips: what was right before and is wrong now."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from eval.output.flips import flip_line, flip_table
from eval.records import Record
from eval.run.store import ResultFile, Run
from eval.studies.flips import choose_decisive, find_flips
from rag.cli.evaluation import eval_app


def run(name: str, answers: dict[str, str | None]) -> Run:
    records = tuple(
        Record(key, f"question {key}?", answer, ("yes",), error="" if answer else "too long")
        for key, answer in answers.items()
    )
    return Run(Path(f"{name}.jsonl"), {}, len(answers), records)


BEFORE = {"same": "yes", "worse": "yes, surely", "better": "no", "refused": "yes", "lost": "yes"}
NOW = {"worse": "no", "same": "yes", "better": "yes", "refused": None}


def test_only_questions_of_both_runs_that_changed_sides_are_flips() -> None:
    flips = find_flips(run("before", BEFORE), run("now", NOW))
    assert [(flip.question_id, flip.before, flip.after) for flip in flips.negative] == [
        ("worse", "yes, surely", "no"),
        ("refused", "yes", "(refused: too long)"),
    ]
    assert [flip.question_id for flip in flips.positive] == ["better"]
    assert flip_line(flips) == "before -> now, by accuracy: 2 right before and wrong now, 1 wrong before and right now"


def test_the_metric_that_decides_is_one_that_was_asked_for() -> None:
    assert choose_decisive(["f1", "exact_match", "accuracy"]) == "accuracy"
    assert choose_decisive(["f1", "exact_match"]) == "exact_match"
    assert choose_decisive(["f1"]) == "accuracy"
    flips = find_flips(run("before", BEFORE), run("now", NOW), "exact_match")
    assert [flip.question_id for flip in flips.negative] == ["refused"]  # "yes, surely" was never exact


def test_the_table_says_how_many_it_leaves_out() -> None:
    flips = find_flips(run("before", BEFORE), run("now", NOW))
    table = flip_table(flips, 1)
    assert table is not None
    assert (table.row_count, table.caption) == (1, "1 more; --flips 2 shows them")
    assert flip_table(flips, 0) is None


def test_compare_lists_them_with_both_answers(tmp_path: Path) -> None:
    paths = [tmp_path / "before.jsonl", tmp_path / "now.jsonl"]
    for path, answers in zip(paths, (BEFORE, NOW | {"lost": "[no]"}), strict=True):
        with ResultFile(path, {"decoder": path.stem}, len(answers)) as file:
            file.append(run(path.stem, answers).records)
    args = ["compare", *map(str, paths), "-m", "accuracy"]
    shown = CliRunner().invoke(eval_app, args)
    assert shown.exit_code == 0
    assert "3 right before and wrong now" in shown.stdout
    assert "[no]" in shown.stdout  # an answer is text, not markup
    printed = json.loads(CliRunner().invoke(eval_app, [*args, "--json"]).stdout)
    assert [flip["after"] for flip in printed["flips"][0]["negative"]] == ["no", "(refused: too long)", "[no]"]
    assert "more; --flips 3" in CliRunner().invoke(eval_app, [*args, "--flips", "1"]).stdout
