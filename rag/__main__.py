"""``python -m rag`` is the command ``concord``."""

from rag.cli.app import main

main()
