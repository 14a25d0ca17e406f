"""The schema's history. Each file in versions/ is one step, up and down, on both databases."""
