"""``python -m rag`` is the command ``concord``."""

from rag.cli import main

main()
