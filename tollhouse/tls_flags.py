"""What can be told of TLS on the listeners of authorization."""

from collections.abc import Mapping
from typing import Any

from tollhouse import flags
from tollhouse.errors import UsageError
from tollhouse.flags import Flag
from tollhouse.settings import TlsSettings

GROUP = "TLS of authorization"

TLS_FLAGS = (
    Flag("authz_certificate_file", flags.path, "FILE", "of --authz-listen", GROUP),
    Flag("authz_key_file", flags.path, "FILE", "the key of that certificate", GROUP),
    Flag("authz_http_certificate_file", flags.path, "FILE", "of HTTP authorization", GROUP),
    Flag("authz_http_key_file", flags.path, "FILE", "the key of that certificate", GROUP),
    Flag(
        "authz_http_client_ca_file",
        flags.path,
        "FILE",
        "CAs of certificates that clients of HTTP authorization may show",
        GROUP,
    ),
    Flag("oidc_certificate_file", flags.path, "FILE", "of wristband discovery", GROUP),
    Flag("oidc_key_file", flags.path, "FILE", "the key of that certificate", GROUP),
)


def read(given: Mapping[str, Any], environment: Mapping[str, str]) -> TlsSettings:
    """Raises UsageError, also for flags that do not go together."""
    settings = TlsSettings(**flags.values(TLS_FLAGS, given, environment))
    for listener in ("authz", "authz_http", "oidc"):
        pair = [getattr(settings, f"{listener}_{part}_file") for part in ("certificate", "key")]
        if pair.count(None) == 1:
            name = listener.replace("_", "-")
            raise UsageError(f"--{name}-certificate-file and --{name}-key-file go together")
    if settings.authz_http_client_ca_file and not settings.authz_http_certificate_file:
        raise UsageError("--authz-http-client-ca-file: only with --authz-http-certificate-file")
    return settings
