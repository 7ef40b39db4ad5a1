"""Meeting plugins: entry points, contract checks, clean standard output."""
