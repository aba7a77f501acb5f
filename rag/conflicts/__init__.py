"""Where sources disagree: the two streams of a generation, and the claims of documents."""
