"""Libraries that explain models, as published, to compare ours with: `make references`."""
