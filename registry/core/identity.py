"""Who is calling, and what they were granted. What a role may do is the API's table."""

from dataclasses import dataclass
from enum import StrEnum

from registry.core.scope import EVERYTHING, Scope


class Role(StrEnum):
    """What a caller may do; a token has one, a person may have several."""

    ADMIN = "admin"
    PUBLISHER = "publisher"
    APPROVER = "approver"
    OPERATOR = "operator"
    RECONCILER = "reconciler"
    AGENT = "agent"
    HOST = "host"
    AUDITOR = "auditor"
    VIEWER = "viewer"


class Means(StrEnum):
    """How a caller showed who they are."""

    TOKEN = "token"  # noqa: S105  the name of a means
    CERTIFICATE = "certificate"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, and the models it may be used on."""

    role: Role
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody in the role they act in. For the roles host and agent, `name`
    is the host's."""

    role: Role
    name: str
    scope: Scope = EVERYTHING
    certificate: str = ""

    @property
    def actor(self) -> str:
        """How the log names this caller."""
        return f"{self.role}:{self.name}"


@dataclass(frozen=True, slots=True)
class Identity:
    """A recognised caller with all their grants; `certificate` is the sha256 of theirs, or empty.

    For a person `name` is a pseudonym.
    """

    name: str
    grants: tuple[Grant, ...]
    means: Means = Means.TOKEN
    certificate: str = ""

    def acting(self, roles: frozenset[Role]) -> Caller | None:
        """This caller in the first of their roles that is among `roles`; None without one.

        The scope is all that their fitting grants cover.
        """
        fitting = [grant for grant in self.grants if grant.role in roles]
        if not fitting:
            return None
        scope = Scope(
            tuple(dict.fromkeys(glob for grant in fitting for glob in grant.scope.models)),
            tuple(dict.fromkeys(glob for grant in fitting for glob in grant.scope.projects)),
        )
        return Caller(fitting[0].role, self.name, scope, self.certificate)

    @property
    def actors(self) -> str:
        """All the roles with the name, for people to read."""
        roles = dict.fromkeys(grant.role for grant in self.grants)
        return ", ".join(f"{role}:{self.name}" for role in roles) or self.name
