"""Private keys and what is signed with them; checking signatures is registry.core's work."""
