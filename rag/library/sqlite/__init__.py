"""A library in a folder: one SQLite file, and what is derived from it."""
