"""Rows in and out: CSV, JSON lines, Parquet, SQLite, plain lines."""
