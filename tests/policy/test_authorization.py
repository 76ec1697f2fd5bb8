"""Manifests reach the AuthConfig compiler, and what is wrong with them is told by place."""

from _fastpath.cells import Series
from authz.configuration import Configuration
from authz.services import Services
from policy.authorization import AuthorizationObjects
from policy.files import FileChange

CONFIG = """\
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: NAME, namespace: shop}
spec:
  hosts: [toys.com]
  authentication:
    keys:
      apiKey:
        selector: {matchLabels: {app: toys}}
"""
SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: alice, namespace: shop, labels: {app: toys}}
stringData: {api_key: KEY}
"""


def start(services: Services | None = None) -> tuple[AuthorizationObjects, Configuration]:
    configuration = Configuration(services or Services(), Series(1))
    return AuthorizationObjects(configuration), configuration


def config(name: str = "toys") -> str:
    return CONFIG.replace("NAME", name)


def test_objects_come_and_go_with_their_files() -> None:
    services = Services()
    objects, configuration = start(services)
    assert objects.apply([FileChange("a.yaml", config()), FileChange("b.yaml", SECRET)])
    assert configuration.snapshot().hosts.find("toys.com") == "shop/toys"
    assert len(services.keys) == 1
    assert objects.apply([FileChange("a.yaml", None), FileChange("b.yaml", None)])
    assert configuration.snapshot().hosts.find("toys.com") is None
    assert len(services.keys) == 0


def test_same_content_again_changes_nothing() -> None:
    objects, _ = start()
    objects.apply([FileChange("a.yaml", config())])
    assert not objects.apply([FileChange("a.yaml", config())])


def test_fault_is_told_with_file_line_and_field() -> None:
    objects, configuration = start()
    objects.apply([FileChange("a.yaml", config().replace("apiKey:", "saml:"))])
    (problem,) = objects.problems()
    assert str(problem).startswith("a.yaml:8: spec.authentication.keys.saml: is not a field here")
    assert configuration.snapshot().find("toys.com") == "AuthConfig is invalid"
    objects.apply([FileChange("a.yaml", config())])
    assert objects.problems() == []


def test_malformed_secret_is_told_without_its_value() -> None:
    services = Services()
    objects, _ = start(services)
    objects.apply([FileChange("b.yaml", SECRET.replace("stringData", "data"))])
    (problem,) = objects.problems()
    assert str(problem) == "b.yaml:1: data.api_key: expected base64"
    objects.apply([FileChange("b.yaml", SECRET)])
    assert objects.problems() == []
    assert len(services.keys) == 1


def test_taken_host_is_told_and_given_on_when_it_is_free() -> None:
    objects, configuration = start()
    objects.apply([FileChange("a.yaml", config("first")), FileChange("b.yaml", config("second"))])
    (problem,) = objects.problems()
    assert str(problem) == "b.yaml:5: spec.hosts: host 'toys.com' belongs to AuthConfig shop/first"
    objects.apply([FileChange("a.yaml", None)])
    assert objects.problems() == []
    assert configuration.snapshot().hosts.find("toys.com") == "shop/second"


def test_config_of_another_version_owns_its_hosts_and_keeps_the_last_good_one() -> None:
    objects, configuration = start()
    old = config().replace("v1beta3", "v1beta1")
    objects.apply([FileChange("a.yaml", old)])
    (problem,) = objects.problems()
    assert str(problem).startswith("a.yaml:1: apiVersion: authorino.kuadrant.io/v1beta1 is not")
    assert configuration.snapshot().find("toys.com") == "AuthConfig is invalid"
    objects.apply([FileChange("a.yaml", config())])
    objects.apply([FileChange("a.yaml", old)])
    assert len(objects.problems()) == 1
    assert not isinstance(configuration.snapshot().find("toys.com"), str)


def test_problem_follows_its_line() -> None:
    objects, _ = start()
    bad = config().replace("apiKey:", "saml:")
    objects.apply([FileChange("a.yaml", bad)])
    assert not objects.apply([FileChange("a.yaml", f"# more\n{bad}")])
    (problem,) = objects.problems()
    assert str(problem).startswith("a.yaml:9: spec.authentication.keys.saml: is not a field here")


def test_refused_objects_do_not_count() -> None:
    objects, _ = start()
    objects.apply([FileChange("a.yaml", config()), FileChange("b.yaml", SECRET)])
    assert (objects.count("AuthConfig"), objects.count("Secret")) == (1, 1)
    objects.apply([FileChange("b.yaml", SECRET.replace("stringData", "data"))])
    assert (objects.count("AuthConfig"), objects.count("Secret")) == (1, 0)
