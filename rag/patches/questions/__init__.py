"""From a document to questions and answers that a patch learns."""
