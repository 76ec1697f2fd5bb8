"""Where policies are evaluated, as the command line says it."""

from pathlib import Path

import pytest

from authz.opa.choice import RegoSettings
from tollhouse import authorino_flags, cli
from tollhouse.authorino_settings import AuthorinoSettings
from tollhouse.errors import UsageError
from tollhouse.settings import ServeSettings


def rego(*arguments: str, **environment: str) -> RegoSettings:
    settings = cli.parse(["serve", *arguments], environment)
    assert isinstance(settings, ServeSettings)
    return settings.rego


def test_nothing_said_is_auto() -> None:
    assert rego() == RegoSettings("auto") == ServeSettings().rego


@pytest.mark.parametrize(
    "engine", ["auto", "embedded", "opa", "http://opa:8181", "https://opa/x", "unix:/run/opa"]
)
def test_engines(engine: str) -> None:
    assert rego("--rego-engine", engine) == RegoSettings(engine)
    assert rego(TOLLHOUSE_REGO_ENGINE=engine) == RegoSettings(engine)


def test_our_opa() -> None:
    found = rego("--rego-engine=opa", "--opa-program=/bin/opa", "--opa-config=c.yaml")
    assert found == RegoSettings("opa", Path("/bin/opa"), Path("c.yaml"))


@pytest.mark.parametrize("engine", ["regopy", "opa:8181", ""])
def test_other_engines_are_refused(engine: str) -> None:
    with pytest.raises(UsageError, match="--rego-engine: expected auto"):
        rego(f"--rego-engine={engine}")


def test_authorino_takes_the_variables() -> None:
    words = ["server", "--manifests", "m"]
    found = authorino_flags.parse(words, {"TOLLHOUSE_REGO_ENGINE": "embedded"})
    assert isinstance(found, AuthorinoSettings)
    assert found.serve.rego == RegoSettings("embedded")
