"""What a model recalls without documents, and whether it knows."""
