"""Every page there is, as it looks in the lived-in registry. A new page is listed here."""

PAGES = (
    "/",
    "/deployments",
    "/deployments?health=Suspended",
    "/deployments/production/digits",
    "/deployments/production/fraud",
    "/deployments/production/ranking",
    "/models",
    "/log",
    "/models/digits",
    "/models/digits/versions/3",
    "/login",
)
