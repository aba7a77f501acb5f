"""Passages that served earlier questions, used again for similar ones."""
