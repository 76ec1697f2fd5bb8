"""AuthConfigs that name Secrets: refused without, opened anew with every change."""

from typing import Any

from authz.opening import Opening
from authz.selector_match import LabelSelector
from authz.services import Services
from tests.authz.entries import put_secret
from tests.authz.http_lanes import CallingLanes, calling_lanes

SPEC = """
metadata:
  geo:
    http:
      url: http://127.0.0.1:9/
      sharedSecretRef: {name: geo, key: token}
"""
MISSING = "spec.metadata.geo: Secret 'geo' does not exist in namespace 'shop'"


def faults(lanes: CallingLanes) -> list[str]:
    return [str(fault) for fault in lanes.configuration.faults.get("shop/toys", ())]


async def test_config_waits_for_its_secret() -> None:
    async with calling_lanes() as lanes:
        assert lanes.configure(SPEC) == [MISSING]
        assert (await lanes.call()).http_status == 503
        lanes.secret_data("geo", other="x")
        assert faults(lanes) == ["spec.metadata.geo: Secret 'geo' has no key 'token'"]
        lanes.secret_data("geo", token="t")
        assert faults(lanes) == []
        assert (await lanes.call()).http_status == 200


async def test_last_good_version_stays_when_the_secret_goes() -> None:
    async with calling_lanes() as lanes:
        lanes.secret_data("geo", token="t")
        assert lanes.configure(SPEC) == []
        lanes.configuration.remove_secret("shop", "geo")
        lanes.publish()
        assert faults(lanes) == [MISSING]
        assert (await lanes.call()).http_status == 200


async def test_secret_of_another_namespace_is_none() -> None:
    async with calling_lanes() as lanes:
        document = {"metadata": {"name": "geo"}, "stringData": {"token": "t"}}
        lanes.configuration.put_secret("elsewhere", "geo", document)
        assert lanes.configure(SPEC) == [MISSING]


async def test_removed_config_is_not_opened_by_its_secret() -> None:
    async with calling_lanes() as lanes:
        lanes.configure(SPEC)
        lanes.configuration.remove_auth_config("shop", "toys")
        lanes.secret_data("geo", token="t")
        assert (await lanes.call()).http_status == 404


def test_values_are_in_no_repr() -> None:
    services = Services()
    put_secret(services, "geo", token="geheim")
    opening = Opening("shop/toys", "shop", "geo", services, {})
    assert opening.secret("geo", "token") == b"geheim"
    held: list[Any] = [opening, services.secrets.matching(None, LabelSelector(frozenset(), ()))]
    assert "geheim" not in repr(held)
