"""From readings and memory to the verdict, and the text that follows from it."""
