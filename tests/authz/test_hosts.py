"""Hosts go to who came first, and on to who waits."""

import pytest

from _fastpath.cells import Series
from _fastpath.host_index import Refusal
from authz.configuration import Configuration
from authz.hosts import HostClaims
from authz.services import Services


class Claims(HostClaims):
    def take(self, owner: str, *hosts: str) -> frozenset[str]:
        self.claim(owner, Refusal(owner, "test"), hosts)
        return self.linked(owner)


@pytest.fixture
def claims() -> Claims:
    return Claims()


def test_case_51_the_closest_pattern_wins(claims: Claims) -> None:
    claims.take("2", "talker-api.nip.io", "*.pets.com")
    claims.take("1", "*.io")
    claims.take("3", "api.acme.com")
    claims.take("4", "*.acme.com")
    found = {
        host: claims.index.find(host)
        for host in ("dogs.pets.com", "www.acme.com", "foo.nip.io", "foo.org", "talker-api.nip.io")
    }
    assert found == {
        "dogs.pets.com": "2",
        "www.acme.com": "4",
        "foo.nip.io": "1",
        "foo.org": None,
        "talker-api.nip.io": "2",
    }
    claims.release("2")
    assert claims.index.find("talker-api.nip.io") == "1"
    claims.release("3")
    assert claims.index.find("api.acme.com") == "4"


def test_case_53_taken_hosts_wait_and_the_others_are_linked(claims: Claims) -> None:
    claims.take("shop/first", "a.com", "*.w.com")
    assert claims.take("other/second", "A.com.", "x.w.com", "b.com") == {"b.com"}
    assert claims.loose("other/second") == {"a.com": "shop/first", "x.w.com": "shop/first"}
    claims.release("shop/first")
    assert claims.linked("other/second") == {"a.com", "x.w.com", "b.com"}
    assert list(claims.taken()) == []


def test_case_53_a_subset_may_be_allowed_but_never_the_same_host() -> None:
    claims = Claims(allow_subsets=True)
    claims.take("wide", "*.w.com", "b.com")
    assert claims.take("narrow", "x.w.com", "*.y.w.com", "*.w.com", "b.com") == {
        "x.w.com",
        "*.y.w.com",
    }
    assert claims.loose("narrow") == {"*.w.com": "wide", "b.com": "wide"}
    assert [claims.index.find(host) for host in ("x.w.com", "a.y.w.com", "z.w.com")] == [
        "narrow",
        "narrow",
        "wide",
    ]
    claims.take("wide", "c.com")
    assert claims.loose("narrow") == {}
    claims.release("narrow")
    assert claims.take("third", "x.w.com", "b.com") == {"x.w.com", "b.com"}


def test_freed_host_goes_to_who_waits_longest(claims: Claims) -> None:
    for owner in ("one", "two", "three"):
        claims.take(owner, "a.com")
    claims.take("three", "a.com", "b.com")
    assert [owner for owner, _ in claims.taken()] == ["two", "three"]
    claims.take("one", "c.com")
    assert claims.index.find("a.com") == "two"
    claims.release("two")
    assert claims.index.find("a.com") == "three"


def test_case_54_host_that_is_no_longer_named_is_unknown(claims: Claims) -> None:
    claims.take("one", "a.com", "b.com")
    claims.take("one", "b.com")
    assert claims.index.find("a.com") is None


def test_case_56_host_with_port_prefers_the_host_to_the_catch_all(claims: Claims) -> None:
    claims.take("port", "api.com:8080")
    claims.take("host", "api.com")
    claims.take("all", "*")
    assert claims.index.find("api.com:8000") == "host"
    assert claims.index.find("api.com:8080") == "port"
    assert claims.index.find("other.com") == "all"


@pytest.mark.parametrize("host", ["a" * 513, ".".join(["a"] * 129), "é" * 257])
def test_host_past_the_bounds_is_refused_alone(host: str) -> None:
    configuration = Configuration(Services(), Series(1))
    document = {"spec": {"hosts": ["a.com", host]}}
    (fault,) = configuration.put_auth_config("shop", "toys", document)
    assert str(fault).startswith("spec.hosts[1]: expected at most ")
    assert configuration.snapshot().find("a.com") == "AuthConfig is invalid"
