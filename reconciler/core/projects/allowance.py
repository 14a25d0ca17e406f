"""A deployment against its project: may it ask for this model, there, on these hosts? Pure.

A deployment names its project in `metadata.project`; without one it is of `default`, which allows
everything unless models.d/projects/default.yaml says otherwise. A project that nobody has declared
allows nothing.
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from reconciler.core.kinds import Host, ModelDeployment, Project
from reconciler.core.kinds.deployment import DEFAULT_PROJECT
from reconciler.core.projects import globs, windows
from reconciler.core.sources import Source, Tree
from registry.core import documents
from registry.core.documents import Problem

Path: TypeAlias = tuple[str | int, ...]


def path_of(project: str) -> str:
    """Where `project` is declared."""
    return f"models.d/projects/{project}.yaml"


def of(tree: Tree, deployment: ModelDeployment) -> Source[Project] | None:
    """The file of the project of `deployment`, if it is there and good."""
    return tree.projects.get(deployment.metadata.project)


def windows_of(
    project: Source[Project] | None, deployment: ModelDeployment
) -> tuple[windows.Window, ...]:
    """When its rollouts may begin; nothing where that is always."""
    listed = [] if project is None else project.kind.spec.windows
    return windows.of(listed, deployment.metadata.environment)


def allows_host(project: Project | None, name: str, labels: Mapping[str, str] | None) -> bool:
    """Whether a project has the host; `labels` are None where the host's file cannot be read."""
    if project is None:
        return True
    return any(
        (selector.name is None or globs.any_fits((selector.name,), name))
        and (
            selector.match_labels is None
            or (labels is not None and selector.match_labels.items() <= labels.items())
        )
        for selector in project.spec.hosts
    )


def hosts(tree: Tree, deployment: ModelDeployment) -> Mapping[str, Host]:
    """The good hosts among which labels may choose: somebody else's are not meant."""
    name = deployment.metadata.project
    if name not in tree.own_hosts:
        source = of(tree, deployment)
        project = None if source is None else source.kind
        tree.own_hosts[name] = {
            host: found.kind
            for host, found in tree.hosts.items()
            if allows_host(project, host, found.kind.metadata.labels)
        }
    return tree.own_hosts[name]


def strangers(tree: Tree) -> dict[str, list[Problem]]:
    """Experiments about deployments of projects that have files of their own, and not these."""
    found: dict[str, list[Problem]] = {}
    for name, source in tree.experiments.items():
        about = tree.deployments.get(source.kind.spec.deployment)
        project = None if about is None else of(tree, about.kind)
        files = [] if project is None else project.kind.spec.files
        if about is not None and files and not globs.any_fits(files, source.path):
            whose = about.kind.metadata.project
            said = f"spec.deployment: {source.kind.spec.deployment} is of the project {whose}"
            fix = f"name the file after one of {', '.join(files)}"
            found[name] = [source.document.problem(("spec", "deployment"), said, fix=fix)]
    return found


def problems(tree: Tree, source: Source[ModelDeployment]) -> Iterator[Problem]:
    """What the deployment asks for and its project does not allow."""
    name = source.kind.metadata.project
    if name in tree.broken_projects:
        said = f"metadata.project: {path_of(name)} is wrong, and so allows nothing"
        yield source.document.problem(("metadata", "project"), said, fix="mend that file")
        return
    project = tree.projects.get(name)
    if project is None and name != DEFAULT_PROJECT:
        known = sorted({*tree.projects, DEFAULT_PROJECT})
        fix = f"add {path_of(name)}; {documents.did_you_mean(name, known)}"
        said = f"metadata.project: there is no project {name!r}"
        yield source.document.problem(("metadata", "project"), said, fix=fix)
    elif project is not None:
        yield from _words(source, project.kind)
        yield from _named_hosts(tree, source, project.kind)


def defenceless(tree: Tree) -> Iterator[Problem]:
    """Authors that keep nobody out: of no files, or while anybody may change who they are."""
    default = tree.projects.get(DEFAULT_PROJECT)
    for name, source in sorted(tree.projects.items()):
        spec = source.kind.spec
        if spec.authors is None or name == DEFAULT_PROJECT:
            continue
        if not spec.files:
            said, fix = (
                "spec.authors: these are authors of no files",
                "add files, or remove authors",
            )
            yield source.document.problem(("spec", "authors"), said, fix=fix)
        elif default is None or default.kind.spec.authors is None:
            said = f"spec.authors: they keep nobody out, since anybody may change {source.path}"
            fix = f"name those who may in {path_of(DEFAULT_PROJECT)}: authors: [...]"
            yield source.document.problem(("spec", "authors"), said, fix=fix)


def _words(source: Source[ModelDeployment], project: Project) -> Iterator[Problem]:
    asked, allowed = source.kind, project.spec
    about: tuple[tuple[Path, str, str, list[str]], ...] = (
        (("spec", "model", "name"), "model", asked.spec.model.name, allowed.models),
        (
            ("metadata", "environment"),
            "environment",
            asked.metadata.environment,
            allowed.environments,
        ),
        (("spec", "runtime", "image"), "image", asked.spec.runtime.image, allowed.images),
    )
    for at, what, word, listed in about:
        if not globs.any_fits(listed, word):
            where = ".".join(map(str, at))
            said = f"{where}: the project {project.metadata.name} does not allow the {what} {word}"
            yield source.document.problem(at, said, fix=_fix(project, listed))
    claimed, meta = project.spec.files, asked.metadata
    paths = dict.fromkeys((source.path, f"models.d/{meta.environment}/{meta.name}.yaml"))
    strays = [path for path in paths if claimed and not globs.any_fits(claimed, path)]
    if strays:
        said = f"metadata.project: {strays[0]} is not a file of the project {project.metadata.name}"
        fix = f"name it after one of {', '.join(claimed)}, or name another project"
        yield source.document.problem(("metadata", "project"), said, fix=fix)


def _named_hosts(
    tree: Tree, source: Source[ModelDeployment], project: Project
) -> Iterator[Problem]:
    for index, name in enumerate(source.kind.spec.targets.hosts or []):
        host = tree.hosts.get(name)
        if host is None and name not in tree.broken_hosts:
            continue  # that there is no such host is said elsewhere
        labels = None if host is None else host.kind.metadata.labels
        if not allows_host(project, name, labels):
            at = ("spec", "targets", "hosts", index)
            said = (
                f"spec.targets.hosts.{index}: the project {project.metadata.name} does not allow "
                f"the host {name}"
            )
            yield source.document.problem(at, said, fix=_fix(project, []))


def _fix(project: Project, listed: list[str]) -> str:
    where = f"have it added to {path_of(project.metadata.name)}"
    return f"use one of {', '.join(listed)}, or {where}" if listed else where
