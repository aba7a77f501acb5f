"""One stage of the pipeline in each module."""
