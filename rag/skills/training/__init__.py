"""The trainer of skills: one adapter, many examples."""
