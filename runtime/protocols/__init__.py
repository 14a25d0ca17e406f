"""The dialects that clients speak, each a function from one HTTP request to one answer."""
