"""What contradicts what in a whole library."""
