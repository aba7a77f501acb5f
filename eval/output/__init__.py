"""What a person sees of a run: tables, plots, pages."""
