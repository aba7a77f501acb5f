"""Ten lines of Concord: a library from the documents beside this file, and one question to it."""

from pathlib import Path

from rag import Engine

with Engine.open("demo-library") as engine:
    engine.add(Path(__file__).parent / "corpus")
    answer = engine.ask("Who was the first person to walk on the moon?")
print(answer.text)
print("verdict:", answer.verdict.summary)
for position in answer.verdict.positions:
    print("documents:", position.answer)
print("memory:   ", answer.verdict.memory.answer)
