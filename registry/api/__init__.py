"""The registry over HTTP: routes, their access table, errors as problem+json, the server."""
