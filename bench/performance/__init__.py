"""Times sagepip beside pip, uv and the least work that could do: ``make bench``."""
