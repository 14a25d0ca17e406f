"""The registry's tables and the queries over them. Queries take a session; they never commit."""
