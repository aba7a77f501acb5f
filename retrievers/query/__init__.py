"""What a question says about how to search for it."""
