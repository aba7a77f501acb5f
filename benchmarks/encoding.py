"""Passages encoded a second by the default sentence encoder, by variant, and what retrieval loses by each.

    python benchmarks/encoding.py [--quick] [--data FOLDER]

``plain`` is sentence-transformers as it comes, in batches of 32 texts; ``by_length`` only fills the batches by length;
``default`` is what the product does (:mod:`rag.models.packed`). ``bfloat16`` is PyTorch's half precision, ``int8`` its
dynamic quantisation. Where their packages are installed (``benchmarks/requirements-encoding.txt``), ONNX Runtime reads
an export of the same model, in float32 and dynamically quantised, and OpenVINO in float32 and bfloat16.

Prints progress on stderr and one JSON object on stdout: for each variant ``per_s`` (processor time, all threads),
``over_today`` (times the rate of ``plain`` in the same run, the variants taking turns), ``question_ms``, the least
cosine of a vector with that of ``plain``, and ``recall_at_5`` of dense and hybrid retrieval. ``--quick`` asks every
fourth question, among the passages of all answers asked for and one in ten of the others, and takes fewer passages for
the rates. Threads: as ``OMP_NUM_THREADS`` says.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

from benchmarks.recall import top_documents
from benchmarks.sets import DATA, load, recall, rows
from rag.core.encoding import passage_text
from rag.core.process.threads import configure_threads, num_threads
from rag.core.settings.config import Config
from rag.models.resolve import resolve_encoder
from rag.models.sentence_encoder import SentenceEncoder, batches_by_length
from retrievers.dense.retriever import DenseRetriever
from retrievers.graph.retriever import GraphRetriever
from retrievers.hybrid import HybridRetriever
from retrievers.sparse import SparseRetriever

Vectors = NDArray[np.float32]
Run = Callable[[list[str]], Vectors]
ROUNDS = 3
SETS = ("hotpotqa", "musique")
QUESTION_STEP, PASSAGE_STEP = 4, 10


class Variant:
    """An encoder of one variant; ``run`` encodes one batch."""

    def __init__(self, name: str, run: Run, by_length: bool = True) -> None:
        self.name = name
        self._run = run
        self._by_length = by_length

    def encode(self, texts: Sequence[str]) -> Vectors:
        """``[len(texts), D]`` unit vectors."""
        if not self._by_length:
            return self._run(list(texts))
        batches = batches_by_length(texts)
        parts = [self._run([texts[i] for i in batch]) for batch in batches]
        vectors = np.empty((len(texts), parts[0].shape[1]), np.float32)
        for batch, part in zip(batches, parts, strict=True):
            vectors[batch] = part
        return vectors


def variants(folder: Path) -> list[Variant]:
    """Every variant whose packages are here, the plain one first."""
    import torch
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(resolve_encoder(Config())[1], device="cpu")
    half = copy.deepcopy(plain).to(torch.bfloat16)
    linear = {torch.nn.Linear}
    int8 = torch.ao.quantization.quantize_dynamic(copy.deepcopy(plain), linear, dtype=torch.qint8)
    encoder = SentenceEncoder(Config(device="cpu"))
    encoder.encode(["warm"])
    listed = [
        Variant("plain", build_run(plain), by_length=False),
        Variant("by_length", build_run(plain)),
        Variant("default", encoder.encode, by_length=False),
        Variant("bfloat16", build_run(half)),
        Variant("int8", build_run(int8)),
    ]
    has_onnx, has_openvino = find_spec("onnxruntime") and find_spec("onnx"), find_spec("openvino")
    if has_onnx or has_openvino:
        export(plain, folder / "model.onnx")
    if has_onnx:
        listed += onnx_variants(plain.tokenizer, folder)
    if has_openvino:
        listed += openvino_variants(plain.tokenizer, folder)
    return listed


def build_run(model: Any) -> Run:
    """Encoding by sentence-transformers."""
    return lambda texts: unit(model.encode(texts, batch_size=32, show_progress_bar=False, convert_to_numpy=True))


def unit(vectors: NDArray[Any]) -> Vectors:
    """Scaled to length 1, in float32."""
    vectors = np.asarray(vectors, dtype=np.float32)
    scaled: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def export(model: Any, file: Path) -> None:
    """Write the model with its mean pooling in ONNX's format."""
    import torch

    class Pooled(torch.nn.Module):
        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            states = bert(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=torch.zeros_like(input_ids)
            )
            mask = attention_mask.unsqueeze(-1).float()
            return (states.last_hidden_state * mask).sum(1) / mask.sum(1)

    bert = copy.deepcopy(model[0].auto_model).eval()
    bert.set_attn_implementation("eager")
    pooled = Pooled()
    pooled.bert = bert  # its weights are exported with it
    ids = torch.randint(100, 2000, (3, 17))
    names, axes = ["input_ids", "attention_mask"], {0: "batch", 1: "length"}
    torch.onnx.export(
        pooled,
        (ids, torch.ones_like(ids)),
        str(file),
        input_names=names,
        output_names=["vectors"],
        dynamic_axes=dict.fromkeys(names, axes) | {"vectors": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )


def onnx_variants(tokenizer: Any, folder: Path) -> list[Variant]:
    """ONNX Runtime with all its optimisations, in float32 and with weights of 8 bits."""
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(folder / "model.onnx", folder / "int8.onnx", weight_type=QuantType.QInt8, per_channel=True)
    listed = []
    for name, file in (("onnx", "model.onnx"), ("onnx_int8", "int8.onnx")):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads()
        session = onnxruntime.InferenceSession(str(folder / file), options, providers=["CPUExecutionProvider"])
        listed.append(Variant(name, lambda texts, s=session: unit(s.run(None, tokenize(tokenizer, texts))[0])))
    return listed


def openvino_variants(tokenizer: Any, folder: Path) -> list[Variant]:
    """OpenVINO in float32 and bfloat16."""
    import openvino

    core = openvino.Core()
    listed = []
    for name, precision in (("openvino", "f32"), ("openvino_bfloat16", "bf16")):
        settings = {"INFERENCE_NUM_THREADS": num_threads(), "INFERENCE_PRECISION_HINT": precision}
        request = core.compile_model(str(folder / "model.onnx"), "CPU", settings).create_infer_request()
        listed.append(Variant(name, lambda texts, r=request: unit(r.infer(tokenize(tokenizer, texts))[0])))
    return listed


def tokenize(tokenizer: Any, texts: list[str]) -> dict[str, NDArray[np.int64]]:
    """Token ids and mask of one batch."""
    read = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="np")
    return {name: np.asarray(read[name], dtype=np.int64) for name in ("input_ids", "attention_mask")}


def rates(listed: list[Variant], texts: list[str], question: str) -> dict[str, dict[str, float]]:
    """Rate, its ratio to the plain one, time of a question, and the least cosine with the plain vectors."""
    plain = listed[0].encode(texts)
    spent: dict[str, list[float]] = {variant.name: [] for variant in listed}
    asked: dict[str, list[float]] = {variant.name: [] for variant in listed}
    for _ in range(ROUNDS):
        for variant in listed:
            spent[variant.name].append(cpu_seconds(lambda v=variant: v.encode(texts)))  # type: ignore[misc]
            asked[variant.name] += [cpu_seconds(lambda v=variant: v.encode([question])) for _ in range(5)]  # type: ignore[misc]
    return {
        variant.name: {
            "per_s": round(len(texts) / min(spent[variant.name]), 1),
            "over_today": round(min(spent[listed[0].name]) / min(spent[variant.name]), 2),
            "question_ms": round(1000 * float(np.median(asked[variant.name])), 1),
            "least_cosine": round(float((variant.encode(texts) * plain).sum(axis=1).min()), 5),
        }
        for variant in listed
    }


def recalls(variant: Variant, data: Path) -> dict[str, float]:
    """Recall@5 by set and retriever."""
    result = {}
    for name in SETS:
        with tempfile.TemporaryDirectory() as folder:
            test_set = load(data, name, Path(folder), variant)  # type: ignore[arg-type]  # it has no token reader
            library = test_set.library
            graph = GraphRetriever(library=library, encoder=variant)
            for kind, retriever in (
                ("dense", DenseRetriever(library=library, encoder=variant)),
                ("hybrid", HybridRetriever(graph=graph, sparse=SparseRetriever(library=library))),
            ):
                values = recall(test_set.gold, top_documents(retriever, test_set))
                result[f"{name}_{kind}"] = round(float(np.mean(values)), 4)
            library.close()
    return result


def write_slices(data: Path, folder: Path) -> Path:
    """A part of each set, in a folder like that of the data."""
    for name in SETS:
        questions = rows(data / name / "questions.jsonl")[::QUESTION_STEP]
        gold = {doc_id for question in questions for doc_id in question["gold_doc_ids"]}
        corpus = [
            row
            for number, row in enumerate(rows(data / name / "corpus.jsonl"))
            if row["doc_id"] in gold or number % PASSAGE_STEP == 0
        ]
        (folder / name).mkdir()
        for file, lines in (("questions", questions), ("corpus", corpus)):
            (folder / name / f"{file}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return folder


def cpu_seconds(action: Callable[[], object]) -> float:
    """Processor time of one call, all threads."""
    started = time.process_time()
    action()
    return time.process_time() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer questions and passages")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    args = parser.parse_args()
    if not (args.data / "hotpotqa").is_dir():
        raise SystemExit(f"no data sets at {args.data}; give their folder with --data")
    configure_threads()
    corpus = rows(args.data / "hotpotqa" / "corpus.jsonl")[:: 16 if args.quick else 4]
    texts = [passage_text(row["title"], row["text"]) for row in corpus]
    question = rows(args.data / "hotpotqa" / "questions.jsonl")[0]["question"]
    with tempfile.TemporaryDirectory() as folder:
        listed = variants(Path(folder))
        print(f"rates of {len(texts)} passages, {num_threads()} threads", file=sys.stderr, flush=True)
        figures: dict[str, dict[str, Any]] = {**rates(listed, texts, question)}
        print(json.dumps(figures), file=sys.stderr, flush=True)
        data = write_slices(args.data, Path(folder)) if args.quick else args.data
        for variant in listed:
            print(f"recall of {variant.name}", file=sys.stderr, flush=True)
            figures[variant.name]["recall_at_5"] = recalls(variant, data)
    print(json.dumps({"num_threads": num_threads(), "encode_passages_per_s": figures}))


if __name__ == "__main__":
    main()
