"""Every page there is, as it looks in the lived-in registry. A new page is listed here."""

PAGES = (
    "/",
    "/deployments",
    "/deployments?health=Suspended",
    "/deployments/production/digits",
    "/deployments/production/fraud",
    "/deployments/production/ranking",
    "/hosts",
    "/hosts/edge-1",
    "/experiments",
    "/promotions",
    "/policies",
    "/policies?model=digits&version=3&expression=verification.publisher+%3D%3D+%22alice%22",
    "/models",
    "/log",
    "/log?kind=decided&model=fraud",
    "/log/entry/20",
    "/models/fraud/compare?a=8&b=9",
    "/models/digits",
    "/models/digits/versions/3",
    "/login",
)
