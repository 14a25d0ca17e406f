"""Who the registry takes a caller for, and what they may do."""

from fastapi import Request

from registry.api import wire_access as wire
from registry.api.access import ALLOWED, Known, guarded
from registry.core.identity import Identity

router = guarded("access")


@router.get("/v1/whoami", summary="Who you are here, and what you may do")
def whoami(request: Request, caller: Known) -> wire.WhoAmI:
    """`routes` are all that one of your roles may call; each grant says on which models."""
    identity: Identity = request.state.identity
    roles = {grant.role for grant in identity.grants}
    return wire.WhoAmI(
        name=identity.name,
        means=identity.means,
        certificate=identity.certificate,
        grants=[
            wire.GrantDocument(
                role=grant.role,
                models=[*grant.scope.models],
                projects=[*grant.scope.projects],
            )
            for grant in identity.grants
        ],
        routes=sorted(route for route, allowed in ALLOWED.items() if roles & allowed),
    )
