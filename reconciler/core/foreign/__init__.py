"""Other servers' configuration files, read and said in our own words. Pure."""
