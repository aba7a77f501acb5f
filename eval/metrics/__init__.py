"""Scores of answers and rankings, and their statistics."""
