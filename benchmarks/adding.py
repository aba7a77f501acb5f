"""What one small file costs when many are added: ``python benchmarks/adding.py [--quick]``.

Adds 100 files and then, to a library of their own, 10,000 (``--quick``: 1,000), in equal parts text, Markdown, HTML and
CSV, and prints one line of JSON:

    ms_per_file    by number of files: milliseconds per file, without the loading of the encoder
    slope          the larger number's cost divided by the smaller one's; 1 or less: no cost grows with the number

The time of the encoder is left out too, since it is the same for each passage: ``ms_per_file`` is gathering, parsing,
splitting and storing.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rag.engine import Engine

_FEW, _MANY, _QUICK = 100, 10_000, 1_000
_KINDS = {
    ".txt": "Lock {n} of Corvin was built in {year}. It is {year} feet long.\n",
    ".md": "# Lock {n}\n\nLock {n} of Corvin was built in {year}.\n",
    ".html": "<html><title>Lock {n}</title><body><p>Lock {n} of Corvin was built in {year}.</p></body></html>\n",
    ".csv": "lock,built\nLock {n},{year}\n",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK} files instead of {_MANY}")
    many = _QUICK if parser.parse_args().quick else _MANY
    costs = {number: measure(number) for number in (_FEW, many)}
    sys.stdout.write(json.dumps({"ms_per_file": costs, "slope": round(costs[many] / costs[_FEW], 3)}) + "\n")


def measure(num_files: int) -> float:
    """Milliseconds per file."""
    with TemporaryDirectory() as place:
        folder = Path(place) / "files"
        write_files(folder, num_files)
        with Engine.open(Path(place) / "library") as engine:
            engine.add(write_files(Path(place) / "first", len(_KINDS)))  # loads the encoder
            report = engine.add(folder)
    assert len(report.added) == num_files, report.failed[:3]
    seconds = report.cost.seconds - report.cost.embed_seconds
    return round(1000 * seconds / num_files, 3)


def write_files(folder: Path, num_files: int) -> Path:
    """A folder of small files, no two of one content, at most 1,000 in one folder below it."""
    for number in range(num_files):
        suffix, text = list(_KINDS.items())[number % len(_KINDS)]
        file = folder / f"{number // 1000}" / f"lock-{number}{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(n=f"{folder.name} {number}", year=1500 + number % 500), encoding="utf-8")
    return folder


if __name__ == "__main__":
    main()
