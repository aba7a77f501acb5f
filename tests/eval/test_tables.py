"""What the terminal shows."""

from __future__ import annotations

from eval.output.tables import run_line
from eval.run.runner import RunReport


def test_runs_answered_together_share_their_time() -> None:
    shared = RunReport(10, 2, 1, 4.0, 3.9)
    alone = RunReport(5, 0, 0, 6.0, 6.0)
    resumed = RunReport(0, 7, 0, 0.1, 0.0)
    line = run_line([shared, shared, alone, resumed])
    assert line == "25 asked, 11 resumed, 2 refused; harness 1.00% of 10.0 s"
    assert run_line([resumed]) == "0 asked, 7 resumed, 0 refused; harness 0.00% of 0.0 s"


def test_workers_count_with_all_their_time() -> None:
    report = RunReport(10, 0, 0, 5.0, 9.0, num_workers=2)
    assert run_line([report]).endswith("harness 10.00% of 10.0 s")
    assert abs(report.overhead - 0.1) < 1e-9
