"""The rows that the reader which ships may learn from, as folders for ``concord skill train --data``.

    python benchmarks/skill_rows.py FOLDER [--data FOLDER]

Only data whose licence allows it to ship, and only what the benchmarks do not ask about: four articles of squad2, the
even questions of musique and hotpotqa, and passages of 2wiki, about which rules write questions. Then:

    concord skill train reader --prefer reader \\
        --data FOLDER/squad2 --data-license "CC BY-SA 4.0" --data FOLDER/musique --data-license "CC BY 4.0" \\
        --data FOLDER/hotpotqa --data-license "CC BY-SA 4.0" --data FOLDER/2wiki --data-license "Apache-2.0"
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.sets import rows
from benchmarks.skills import DATA, LEARNT


def main() -> None:
    """Write the folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    args = parser.parse_args()
    if not args.data.is_dir():
        raise SystemExit(f"no data at {args.data}; give the folder with --data")
    write(args.folder / "squad2", *learnt_articles(args.data / "squad2"))
    for name in ("musique", "hotpotqa"):
        write(
            args.folder / name, rows(args.data / name / "corpus.jsonl"), rows(args.data / name / "questions.jsonl")[::2]
        )
    write(args.folder / "2wiki", rows(args.data / "2wiki" / "corpus.jsonl"), ())


def learnt_articles(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Passages and questions of squad2's learnt articles; one without an answer belongs to the passage before it."""
    corpus = [row for row in rows(folder / "corpus.jsonl") if row["title"] in LEARNT]
    names, questions, last = {row["doc_id"] for row in corpus}, [], ""
    for row in rows(folder / "questions.jsonl"):
        last = row["gold_doc_ids"][0] if row["gold_doc_ids"] else last
        if last in names:
            questions.append(row)
    return corpus, questions


def write(folder: Path, corpus: Iterable[dict[str, Any]], questions: Iterable[dict[str, Any]]) -> None:
    """One data set as ``concord skill train`` reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, items in (("corpus", corpus), ("questions", questions)):
        text = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
