"""Instances that share manifests: each takes what its namespace and labels say."""

from _fastpath.cells import Series
from authz.configuration import Configuration
from authz.selector_text import parse_selector
from authz.services import Services
from policy.authorization import AuthorizationObjects
from policy.files import FileChange
from policy.scope import Scope

CONFIG = """\
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: toys, namespace: shop, labels: {shard: LABEL}}
spec:
  hosts: [toys.com]
"""
SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: alice, namespace: shop}
stringData: {api_key: key}
"""


class Instance:
    def __init__(self, scope: Scope) -> None:
        self.configuration = Configuration(Services(), Series(1))
        self.objects = AuthorizationObjects(self.configuration, scope)

    def write(self, text: str) -> "Instance":
        self.objects.apply([FileChange("a.yaml", text)])
        return self

    @property
    def taken(self) -> tuple[int, int, str | None]:
        """AuthConfigs, Secrets, owner of the host."""
        counts = self.objects.count("AuthConfig"), self.objects.count("Secret")
        return *counts, self.configuration.snapshot().hosts.find("toys.com")


def labelled(label: str) -> str:
    return CONFIG.replace("LABEL", label)


def test_labels_are_those_of_auth_configs_alone() -> None:
    instance = Instance(Scope(auth_configs=parse_selector("shard=one")))
    assert instance.write(f"{labelled('two')}---\n{SECRET}").taken == (0, 1, None)
    assert instance.write(f"{labelled('one')}---\n{SECRET}").taken == (1, 1, "shop/toys")


def test_auth_config_leaves_with_its_label_and_comes_back() -> None:
    instance = Instance(Scope(auth_configs=parse_selector("shard=one")))
    assert instance.write(labelled("one")).taken == (1, 0, "shop/toys")
    assert instance.write(labelled("disabled")).taken == (0, 0, None)
    assert instance.write(labelled("one")).taken == (1, 0, "shop/toys")
    assert instance.write("").taken == (0, 0, None)


def test_refused_one_outside_is_not_told() -> None:
    broken = labelled("two").replace("spec:\n", "spec:\n  unknown: 1\n")
    instance = Instance(Scope(auth_configs=parse_selector("shard=one"))).write(broken)
    assert instance.objects.problems() == []
    assert len(instance.write(broken.replace("two", "one")).objects.problems()) == 1
    assert instance.write(broken).objects.problems() == []


def test_labels_that_are_none_are_passed_over() -> None:
    instance = Instance(Scope(auth_configs=parse_selector("shard=one")))
    assert instance.write(labelled("[one]")).taken == (0, 0, None)


def test_namespace_is_of_all_objects() -> None:
    both = f"{labelled('one')}---\n{SECRET}"
    assert Instance(Scope("shop")).write(both).taken == (1, 1, "shop/toys")
    assert Instance(Scope("other")).write(both).taken == (0, 0, None)
