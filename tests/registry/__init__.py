"""The registry, on real SQLite files, a real PostgreSQL and a real HTTP server."""
