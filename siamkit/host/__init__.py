"""Find and load plugins: entry points, contract checks, clean standard output."""
