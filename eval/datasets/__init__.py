"""Questions of published data sets, in their authors' formats, and of the user's data."""

from eval.datasets.load import DATASET_NAMES, collect_passages, load_corpus, load_dataset

__all__ = ["DATASET_NAMES", "collect_passages", "load_corpus", "load_dataset"]
