"""Reading files in a process of its own: a parser that hangs, overflows or dies costs one file."""
