"""From files to passages in a library."""
