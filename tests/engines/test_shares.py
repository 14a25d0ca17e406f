"""A share of traffic that no engine can give yet is refused, not dropped."""

import pytest

from reconciler.core.observed import Route, Share
from reconciler.engines import shares
from registry import errors


def test_a_route_to_one_instance_is_as_it_was() -> None:
    route = Route("digits", "production/digits", "digits-1")
    assert shares.whole(route) is route


@pytest.mark.parametrize("share", [Share("digits-2"), Share("digits-2", weight=10, mirror=5)])
def test_a_share_is_refused_with_who_would_have_got_it(share: Share) -> None:
    with pytest.raises(errors.EngineRefused, match="not in part to digits-2"):
        shares.whole(Route("digits", "production/digits", "digits-1", share))
