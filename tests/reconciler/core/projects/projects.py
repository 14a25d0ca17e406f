"""Files of two teams that share a repository, and how each would name things."""

from tests.reconciler.core.wishes import deployment_file, host_file

ANYTHING = 'models: ["*"], environments: ["*"], hosts: [{name: "*"}], images: ["**"]'


def project_file(name: str, spec: str) -> bytes:
    """models.d/projects/NAME.yaml."""
    return f"""\
apiVersion: plimsoll.dev/v1
kind: Project
metadata: {{name: {name}}}
spec: {{{spec}}}
""".encode()


def of_project(text: str, project: str) -> bytes:
    """A deployment's file, as one of `project`."""
    return text.replace(
        "environment: production}", f"environment: production, project: {project}}}"
    ).encode()


def owned(name: str, project: str, *, hosts: tuple[str, ...] = ("h1",), model: str = "") -> bytes:
    """models.d/production/NAME.yaml of a project."""
    return of_project(deployment_file(name, 1, hosts, model=model, tested=False), project)


def labelled(name: str, team: str) -> bytes:
    """models.d/hosts/NAME.yaml of a team."""
    return host_file(name).replace("site: lab", f"site: lab, team: {team}").encode()


def limits(team: str) -> str:
    """What a team may ask for: its own models and hosts, in every environment."""
    return (
        f'models: ["{team}-*"], environments: ["*"], hosts: [{{matchLabels: {{team: {team}}}}}], '
        'images: ["runtime:*"]'
    )


def two_teams() -> dict[str, bytes]:
    """Teams a and b, each with a host and a deployment."""
    return {
        "models.d/projects/a.yaml": project_file("a", limits("a")),
        "models.d/projects/b.yaml": project_file("b", limits("b")),
        "models.d/hosts/ha.yaml": labelled("ha", "a"),
        "models.d/hosts/hb.yaml": labelled("hb", "b"),
        "models.d/production/a-one.yaml": owned("a-one", "a", hosts=("ha",)),
        "models.d/production/b-one.yaml": owned("b-one", "b", hosts=("hb",)),
    }
