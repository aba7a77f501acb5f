"""Several runs: comparisons, tables, sweeps."""
