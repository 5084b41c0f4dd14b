"""A device kind that nobody needs, in its two files: what adding a kind costs."""
