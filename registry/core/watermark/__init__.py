"""Watermarks in weights: what is marked, how strong, by which key, and how a mark is found."""
