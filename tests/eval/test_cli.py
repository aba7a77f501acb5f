"""``concord eval`` without a model: what it prints, and how it exits. With a model: test_real.py."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from decoders.params import AdaCad
from eval import evaluate
from eval.datasets import DATASET_NAMES
from eval.metrics.names import ANSWER_METRICS
from eval.metrics.ranking import RANKING_FORMS
from eval.run.arms import ARM_NAMES
from eval.run.config import RunConfig
from eval.run.store import read_run
from rag.cli.evaluation import eval_app
from rag.cli.evaluation.run import _load
from rag.cli.evaluation.setting_options import option_name
from rag.core.errors import ConcordError, SettingError
from rag.core.settings.config import Config


def concord_eval(*args: object) -> Result:
    return CliRunner().invoke(eval_app, [str(arg) for arg in args])


@pytest.fixture
def runs(tmp_path: Path, samples: Path, deterministic: ModuleType) -> list[Path]:
    """Two runs of the sample pairs: one reads the passages, one has none."""
    paths = [tmp_path / "reads.jsonl", tmp_path / "blind.jsonl"]
    for path, arm in zip(paths, ("agreeing", "memory"), strict=True):
        config = RunConfig.from_values({"dataset": "nq_synth", "data": str(samples / "nq_synth.jsonl"), "arm": arm})
        evaluate(config, output=path, answerer=deterministic.DeterministicAnswerer())
    return paths


def test_compare(runs: list[Path]) -> None:
    result = concord_eval("compare", *runs, "-m", "f1", "-m", "accuracy")
    assert result.exit_code == 0
    assert "arm: 'agreeing' -> 'memory'" in result.stdout
    assert "accuracy" in result.stdout
    printed = json.loads(concord_eval("compare", *runs, "-m", "accuracy", "--json").stdout)
    assert printed["comparisons"][0]["metric"] == "accuracy"
    assert printed["comparisons"][0]["difference"]["value"] < 0


def test_list_names_what_there_is() -> None:
    text = concord_eval("list").stdout
    printed = json.loads(concord_eval("list", "--json").stdout)
    assert tuple(printed["datasets"]) == DATASET_NAMES
    assert tuple(printed["arms"]) == ARM_NAMES
    assert tuple(printed["metrics"]) == (*ANSWER_METRICS, *RANKING_FORMS)
    assert {"ranking_depth", "max_tokens"} <= printed["settings"].keys()
    assert {"dtype", "abstain"} <= printed["engine_settings"].keys()
    assert all(name in text for group in printed.values() for name in group)


def write_table(folder: Path, samples: Path, **lines: str) -> Path:
    text = f'metrics = ["accuracy"]\n[base]\ndataset = "nq_synth"\ndata = "{samples / "nq_synth.jsonl"}"\n'
    text += '[[columns]]\nname = "c"\narm = "conflicting"\n[[rows]]\nname = "plain"\ndecoder = "plain"\n'
    (folder / "table.toml").write_text(text + "".join(lines.values()))
    return folder / "table.toml"


def test_a_table_that_cannot_be_is_refused_with_its_file(tmp_path: Path, samples: Path) -> None:
    file = write_table(tmp_path, samples, colour="colour = 1\n")
    result = concord_eval("table", file, "--folder", tmp_path / "runs")
    assert result.exit_code == 2
    assert "unknown setting 'colour'; known are dataset" in result.stderr
    file.write_text("rows = []\ncolumns = []\n")
    result = concord_eval("table", file)
    assert result.exit_code == 2
    assert f"setting rows=[] ({file})" in result.stderr


@pytest.mark.parametrize("command", ["table", "sweep"])
def test_a_model_that_dies_leaves_a_word_about_its_results(
    tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def die(*args: object) -> None:
        raise ConcordError("the model died")

    monkeypatch.setattr("eval.studies.engines.Engines.evaluate_together", die)
    folder, option = tmp_path / "runs", "--folder" if command == "table" else "-o"
    folder.mkdir()
    file = write_table(tmp_path, samples)
    if command == "sweep":
        file.write_text(f'[base]\ndataset = "nq_synth"\ndata = "{samples / "nq_synth.jsonl"}"\n[grid]\nseed = [1]\n')
    result = concord_eval(command, file, option, folder)
    assert result.exit_code == 1
    assert "the model died" in result.stderr
    assert f"results so far are safe in {folder}; the same command continues from there" in result.stderr


def test_report(runs: list[Path], tmp_path: Path) -> None:
    result = concord_eval("report", *runs, "-o", tmp_path / "page.html", "--title", "Pairs")
    assert result.exit_code == 0
    assert "wrote" in result.stdout
    page = (tmp_path / "page.html").read_text()
    assert "<title>Pairs</title>" in page
    assert "Differences" in page
    assert "Tilda Marsh" in page


def test_report_of_runs_that_asked_other_questions(
    runs: list[Path], tmp_path: Path, deterministic: ModuleType, samples: Path
) -> None:
    config = RunConfig.from_values({"dataset": "plain", "data": str(samples / "plain.jsonl"), "arm": "memory"})
    evaluate(config, output=tmp_path / "other.jsonl", answerer=deterministic.DeterministicAnswerer())
    result = concord_eval("report", runs[0], tmp_path / "other.jsonl", "-o", tmp_path / "page.html")
    assert result.exit_code == 0
    assert "<h2>Differences" not in (tmp_path / "page.html").read_text()
    assert concord_eval("compare", runs[0], tmp_path / "other.jsonl").exit_code == 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["run", "--dataset", "nqq", "--data", "x"],
            "unknown data set 'nqq' (did you mean 'nq'?); choose one of plain",
        ),
        (["run", "--dataset", "nq"], "setting 'data' is missing"),
        (["run", "--dataset", "nq", "--data", "absent.jsonl"], "absent.jsonl cannot be read"),
        (["run", "--dataset", "nq", "--data", "x", "-m", "bleu"], "unknown metric 'bleu'"),
        (["run", "--dataset", "nq", "--data", "x", "--decoder", "adacad", "--alpha", "7"], "has no setting 'alpha'"),
        (["run", "--dataset", "nq", "--data", "x", "--arm", "all"], "arm='all'"),
        (["run", "absent.toml"], "cannot read settings from absent.toml"),
        (
            ["run", "--dataset", "nq", "--data", "x", "--alpha", "much"],
            "alpha='much': input should be a valid",
        ),
        (["compare", "absent.jsonl", "absent.jsonl"], "no result file absent.jsonl"),
        (["compare", "absent.jsonl"], "needs at least 2"),
        (["report", "absent.jsonl"], "no result file absent.jsonl"),
        (["sweep", "absent.toml"], "cannot read settings from absent.toml"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(args: list[str], message: str) -> None:
    result = concord_eval(*args)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_an_arm_that_the_data_cannot_fill(samples: Path, tmp_path: Path) -> None:
    data = ["--dataset", "plain", "--data", samples / "plain.jsonl", "-o", tmp_path / "run.jsonl"]
    result = concord_eval("run", *data, "--arm", "conflicting")
    assert result.exit_code == 2
    assert "arm 'conflicting' needs counter_passages" in result.stderr
    assert not (tmp_path / "run.jsonl").exists()


def load_settings(*assigned: str, **options: object) -> RunConfig:
    return _load(None, {"dataset": "nq", "data": "x"} | options, {}, list(assigned))


def test_any_setting_of_a_run_or_of_the_engine_can_be_given() -> None:
    config = load_settings("ranking_depth=50", 'metrics=["f1"]', "dtype=float32", "abstain=true", "engine.top_k=7")
    assert (config.ranking_depth, config.metrics) == (50, ("f1",))
    assert config.engine == {"dtype": "float32", "abstain": True, "top_k": 7}
    assert load_settings("decoder=adacad", "decoder_settings.floor=0.3").decoder_params() == AdaCad(floor=0.3)
    assert load_settings("top_k=2", top_k=3).top_k == 3  # an option of its own name wins


@pytest.mark.parametrize(
    ("assigned", "message"),
    [
        ("dtyp=float32", "unknown setting 'dtyp' (did you mean 'dtype'?)"),
        ("engine.limit=3", "unknown setting 'engine.limit'"),
        ("dtype", "--set 'dtype'; expected NAME=VALUE"),
        ("dtype=int8", "dtype"),
        ("decoder_settings.colour=1", "has no setting 'colour'"),
    ],
)
def test_a_wrong_assignment_is_one_line(assigned: str, message: str) -> None:
    result = concord_eval("run", "--dataset", "nq", "--data", "x", "--set", assigned)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_every_setting_is_an_option_and_an_option_means_what_it_means_in_a_file(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[RunConfig] = []
    monkeypatch.setattr("eval.run.evaluation.evaluate", lambda config, **_: seen.append(config))
    options = {name for item in get_command(eval_app).commands["run"].params for name in item.opts}
    by_other_ways = {"metrics", "decoder_settings", "engine"}
    wanted = {*RunConfig.model_fields.keys() - by_other_ways, *Config.model_fields}
    assert {option_name(name) for name in wanted} <= options
    data = samples / "nq_synth.jsonl"
    file = tmp_path / "run.toml"
    lines = ['dataset = "nq_synth"', f'data = "{data}"', "alpha = 0.5", 'decoder = "ckplug"', "top_k = 3", "[engine]"]
    lines += ['policy = "newest"', "abstain = true", "verdict = false", "window = 512", "patch_gate = 0.5"]
    file.write_text("\n".join([*lines, "engine_options = {max_num_seqs = 4}"]))
    concord_eval("run", file)
    options_of_run = ["--dataset", "nq_synth", "--data", data, "--alpha", "0.5", "--decoder", "ckplug", "--top-k", "3"]
    options_of_engine = ["--policy", "newest", "--abstain", "--no-verdict", "--window", "512", "--patch-gate", "0.5"]
    concord_eval("run", *options_of_run, *options_of_engine, "--engine-options", '{"max_num_seqs": 4}')
    assert seen[0] == seen[1]
    assert seen[0].engine["engine_options"] == {"max_num_seqs": 4}


def test_max_tokens_is_an_option(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[RunConfig] = []

    def stop(config: RunConfig, **_: object) -> None:
        seen.append(config)
        raise SettingError("seen")

    monkeypatch.setattr("eval.run.evaluation.evaluate", stop)
    concord_eval("run", "--dataset", "nq_synth", "--data", samples / "nq_synth.jsonl", "--max-tokens", 5)
    assert seen[0].max_tokens == 5


def test_reports_name_the_confidence_they_use(runs: list[Path], tmp_path: Path) -> None:
    assert concord_eval("report", *runs, "-o", tmp_path / "page.html", "--confidence", "0.8").exit_code == 0
    page = (tmp_path / "page.html").read_text()
    assert "80 % bootstrap intervals" in page
    assert "with 80 % intervals" in page
    assert "95 %" not in page
    assert "80 %" in concord_eval("compare", *runs, "--confidence", "0.8").stdout
    assert concord_eval("compare", *runs, "--confidence", "80").exit_code == 2


def test_a_run_of_the_version_before_still_opens(tmp_path: Path) -> None:
    """``data/run_before_0_2.jsonl`` was written by commit 4bba89f."""
    old = Path(__file__).parent / "data" / "run_before_0_2.jsonl"
    assert concord_eval("report", old, "-o", tmp_path / "page.html").exit_code == 0
    assert "Kelso Hill" in (tmp_path / "page.html").read_text()
    records = read_run(old).records
    assert [record.answer for record in records] == ["1802", "Kelso Hill", "1874", "steel"]
    assert [json.loads(record.to_line()) for record in records] == [
        json.loads(line) for line in old.read_text().splitlines()[1:]
    ]
