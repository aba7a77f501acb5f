"""Judging whether passages support an answer."""
