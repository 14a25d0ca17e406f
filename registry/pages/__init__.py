"""Pages for people: rendered on the server, readable without scripts."""

# In which a browser keeps its token.
COOKIE = "plimsoll_token"
