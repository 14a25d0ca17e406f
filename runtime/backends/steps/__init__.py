"""Steps before and after a model: `stepped` wraps any backend in them."""
