"""Makes docs/trust/routes.md from the table of who may call what.

Run `python -m tests.registry.access_table` after you have changed that table.
"""

from pathlib import Path

from registry.api.access import ALLOWED, OPEN
from registry.api.scoping import Naming, naming
from registry.core.identity import Role

PAGE = Path(__file__).parents[2] / "docs" / "trust" / "routes.md"
ROLES = (
    "viewer", "publisher", "approver", "operator", "auditor", "reconciler", "agent", "host",
    "admin",
)  # fmt: skip
MEANING = {
    Naming.PATH: "model",
    Naming.ARTIFACT: "model",
    Naming.BODY: "model",
    Naming.FILTERED: "filtered",
    Naming.NONE: "",
    Naming.ALL: "all",
}


def text() -> str:
    """The page as it should be."""
    head = (
        "# Routes and roles\n\n"
        "Made from the code by `python -m tests.registry.access_table`; a test compares it.\n"
        "*Scope* says what a caller needs who may act on some models only: `model`, that the\n"
        "model is among them; `filtered`, nothing, but what is not among them is left out;\n"
        "`all`, a grant on all models. See [who may do what](access.md).\n\n"
    )
    titles = ("route", *ROLES, "scope")
    rows = [titles, ("---",) * len(titles)]
    for route, roles in sorted(ALLOWED.items(), key=lambda item: item[0].split(" ")[::-1]):
        marks = ("●" if Role(role) in roles else "" for role in ROLES)
        rows.append((f"`{route}`", *marks, MEANING[naming(route)]))
    table = "\n".join(f"| {' | '.join(row)} |".replace("  ", " ") for row in rows)
    opened = "\n".join(
        f"- `{route}`" for route in sorted(OPEN, key=lambda one: one.split(" ")[::-1])
    )
    return f"{head}{table}\n\n## Open to everybody\n\n{opened}\n"


if __name__ == "__main__":
    PAGE.write_text(text())
    print(PAGE)
