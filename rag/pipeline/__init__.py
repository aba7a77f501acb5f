"""The stages from a question to an answer."""
