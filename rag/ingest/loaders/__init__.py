"""One module for each type of file: bytes to a title and text."""
