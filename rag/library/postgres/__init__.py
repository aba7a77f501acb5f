"""A library in a PostgreSQL schema."""
