"""Every page there is, as it looks in the lived-in registry. A new page is listed here."""

PAGES = (
    "/",
    "/log",
    "/models/digits",
    "/models/digits/versions/3",
    "/login",
)
