"""Between the dialects and the engines: who runs when, together with whom, and for how long."""
