"""Images, set-up and the demo: what turns the source tree into something that runs."""
