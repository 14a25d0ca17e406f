"""Following an alias or a range, on a fleet on paper."""
