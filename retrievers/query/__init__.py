"""From a question to search queries: follow-ups, rewriting, length."""
