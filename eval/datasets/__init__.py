"""Questions of published data sets and of the user's own, in the formats their authors publish."""

from eval.datasets.load import DATASET_NAMES, collect_passages, load_corpus, load_dataset

__all__ = ["DATASET_NAMES", "collect_passages", "load_corpus", "load_dataset"]
