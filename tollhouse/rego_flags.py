"""Where Rego policies are evaluated, as the command line says it."""

from collections.abc import Mapping
from typing import Any

from authz.opa.choice import AUTO, EMBEDDED, OPA, SCHEMES, RegoSettings
from tollhouse import flags
from tollhouse.errors import UsageError
from tollhouse.flags import Flag

GROUP = "Rego policies"


def _engine(text: str) -> str:
    if text in (AUTO, EMBEDDED, OPA) or text.startswith(SCHEMES):
        return text
    raise UsageError(f"expected {AUTO}, {EMBEDDED}, {OPA}, an http:// or https:// URL or unix:PATH")


REGO_FLAGS = (
    Flag(
        "rego_engine",
        _engine,
        "ENGINE",
        "embedded; opa, a child of ours; the address of an OPA; auto: embedded, and for what that"
        " refuses opa, if there is one",
        GROUP,
    ),
    Flag("opa_program", flags.path, "FILE", "OPA; found in the path when not given", GROUP),
    Flag("opa_config", flags.path, "FILE", "configuration of our OPA, for bundles", GROUP),
)
DEFAULTS: Mapping[str, object] = {"rego_engine": AUTO, "opa_program": None, "opa_config": None}


def read(given: Mapping[str, Any], environment: Mapping[str, str]) -> RegoSettings:
    """Raises UsageError."""
    found = flags.values(REGO_FLAGS, given, environment)
    return RegoSettings(
        found.get("rego_engine", AUTO), found.get("opa_program"), found.get("opa_config")
    )
