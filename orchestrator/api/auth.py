"""HTTP floor: who asks. A key in, a principal out."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from orchestrator.api.state import ApiState, state_of
from orchestrator.domain.errors import NotAllowed, NotAuthenticated
from orchestrator.domain.tenant import Principal, Scope, Tenant

__all__ = ("OPERATOR_ONLY", "Asker", "nobody_in_particular")

_bearer = HTTPBearer(
    auto_error=False, scheme_name="key", description="An API key: `sandbox-orch keys create`."
)


def nobody_in_particular() -> Principal:
    """Who asks where authentication was switched off in so many words: one tenant that may do everything."""
    return Principal(tenant=Tenant(name="anybody"), scopes=frozenset(Scope), key_id="none")


async def _asker(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Principal:
    state: ApiState = state_of(request)
    if not state.settings.authentication:
        return nobody_in_particular()
    if credentials is None:
        raise NotAuthenticated("send an API key: Authorization: Bearer so_…")
    principal = await state.service.store.authenticate(credentials.credentials, time.time())
    if principal is None:
        raise NotAuthenticated("this key is unknown, revoked or expired")
    return principal


Asker = Annotated[Principal, Depends(_asker)]
"""The principal that asks. Raises NotAuthenticated."""


async def _require_operator(asker: Asker) -> None:
    if Scope.ADMIN not in asker.scopes:
        raise NotAllowed("this key lacks the scope admin")


OPERATOR_ONLY = Depends(_require_operator)
"""For routes that show the whole host. Raises NotAuthenticated or NotAllowed."""
