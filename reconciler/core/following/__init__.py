"""Following: a pinned version that goes with an alias or a range of versions, by way of Git."""
