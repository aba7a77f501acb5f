"""What one passage, read alone, answers."""
