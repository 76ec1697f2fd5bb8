"""Results without what is secret in them, for people to look at.

Members are told by their names, in any case, at any depth; of a Kubernetes Secret all values go.
"""

from collections.abc import Mapping

REDACTED = "***"
NAMES = frozenset(
    {
        *("token", "access_token", "refresh_token", "id_token", "client_secret", "password"),
        *("secret", "api_key", "apikey", "x-api-key", "authorization", "cookie", "set-cookie"),
        *("proxy-authorization", "private_key", "client_assertion", "assertion"),
        "kubectl.kubernetes.io/last-applied-configuration",
    }
)
_SECRET_PARTS = ("data", "stringData")


def redacted(value: object) -> object:
    """A copy of JSON data."""
    if isinstance(value, Mapping):
        secret = "metadata" in value and isinstance(value.get("data"), Mapping)
        return {
            name: _hidden(part)
            if str(name).lower() in NAMES or (secret and name in _SECRET_PARTS)
            else redacted(part)
            for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(part) for part in value]
    return value


def _hidden(value: object) -> object:
    """Names stay, so that a look tells what there is."""
    if isinstance(value, Mapping):
        return {name: _hidden(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(part) for part in value]
    return value if value is None or isinstance(value, bool) else REDACTED
