"""Authorino's flags of TLS."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tollhouse import flags
from tollhouse.errors import UsageError
from tollhouse.flags import Flag
from tollhouse.settings import TlsSettings

GROUP = "TLS"
DEFAULT = "TLS 1.2 and 1.3 are offered, with OpenSSL's ciphers"
VERSIONS = ("1.0", "1.1", "1.2", "1.3")


def _version(text: str) -> str:
    if text and text not in VERSIONS:
        raise UsageError(f"{text!r}: expected one of {', '.join(VERSIONS)}")
    return text


def _file(field: str, help_text: str) -> Flag:
    return Flag(field, flags.path, "FILE", help_text, GROUP, environment=field.upper())


def _idle(field: str) -> tuple[Flag, Flag]:
    read = _version if field.endswith("_version") else str
    one, other = (
        Flag(name, read, "TEXT", DEFAULT, GROUP, environment=name.upper())
        for name in (field, f"oidc_{field}")
    )
    return one, other


FILE_FLAGS = (
    _file("tls_cert", "of gRPC and of HTTP authorization"),
    _file("tls_cert_key", "the key of that certificate"),
    _file("oidc_tls_cert", "of wristband discovery"),
    _file("oidc_tls_cert_key", "the key of that certificate"),
)
IDLE_FLAGS = (*_idle("tls_min_version"), *_idle("tls_max_version"), *_idle("tls_cipher_suites"))


def read_tls(given: Mapping[str, Any]) -> TlsSettings:
    """Raises UsageError where TLS would be less than is asked for."""
    check = _pair(given, "tls_cert")
    for field in ("tls_min_version", "oidc_tls_min_version"):
        if given.get(field) == "1.3":
            raise UsageError(f"--{field.replace('_', '-')} 1.3: TLS 1.2 cannot be shut off")
    return TlsSettings(*check, *check, None, *_pair(given, "oidc_tls_cert"))


def _pair(given: Mapping[str, Any], field: str) -> tuple[Path | None, Path | None]:
    certificate, key = given.get(field), given.get(f"{field}_key")
    if (certificate is None) != (key is None):
        name = field.replace("_", "-")
        raise UsageError(f"--{name} and --{name}-key go together")
    return certificate, key
