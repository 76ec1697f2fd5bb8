"""Secrets as the API server keeps them, and the API key one may hold."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from _fastpath.document import NativeDocument

KEY = "api_key"
SecretId = tuple[str, str]
_LINE_ENDS = str.maketrans("", "", "\r\n")


@dataclass(frozen=True, slots=True)
class ApiKeySecret:
    """`key` never appears in a repr."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    key: bytes = field(repr=False)
    identity: NativeDocument = field(repr=False)

    @property
    def id(self) -> SecretId:
        return self.namespace, self.name


def read_secret(namespace: str, name: str, document: Mapping[str, Any]) -> ApiKeySecret | None:
    """The API key of a Secret, None when it has none. Raises ValueError for a malformed Secret."""
    data = secret_data(document)
    metadata = {**document["metadata"], "namespace": namespace}
    labels = metadata.get("labels") or {}
    if not isinstance(labels, dict) or not all(isinstance(v, str) for v in labels.values()):
        raise ValueError("metadata.labels: expected a mapping of strings")
    key = base64.b64decode(data.get(KEY, ""))
    if not key:
        return None
    identity = {"metadata": metadata, "data": data, "type": document.get("type") or "Opaque"}
    return ApiKeySecret(
        namespace, name, labels, key, NativeDocument(identity, numbers_as_double=True)
    )


def secret_data(document: Mapping[str, Any]) -> dict[str, str]:
    """`data` with `stringData` merged in as the API server does, values in base64."""
    merged: dict[str, str] = {}
    for field_name in ("data", "stringData"):
        part = document.get(field_name) or {}
        if not isinstance(part, dict):
            raise ValueError(f"{field_name}: expected a mapping of strings")
        for name, value in part.items():
            if not isinstance(value, str):
                raise ValueError(f"{field_name}.{name}: expected a string")
            if field_name == "stringData":
                merged[name] = base64.b64encode(value.encode()).decode()
                continue
            try:
                # Go's decoder, which reads the field for the API server, skips line ends.
                plain = base64.b64decode(value.translate(_LINE_ENDS), validate=True)
            except (binascii.Error, ValueError):
                raise ValueError(f"{field_name}.{name}: expected base64") from None
            merged[name] = base64.b64encode(plain).decode()
    return merged
