"""Secrets as the API server keeps them, with what annotations say of their values."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from _fastpath.document import NativeDocument

EXPIRES_AT = "tollhouse.io/expires-at"
NEVER = (1 << 63) - 1
SecretId = tuple[str, str]
_LINE_ENDS = str.maketrans("", "", "\r\n")


@dataclass(frozen=True, slots=True)
class Secret:
    """values: decoded, in no repr. expiries: wall time in nanoseconds by the name of a value; the
    empty name stands for the others. identity: the whole Secret, for who brings one of its keys."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    values: Mapping[str, bytes] = field(repr=False)
    expiries: Mapping[str, int]
    identity: NativeDocument = field(repr=False, compare=False)

    @property
    def id(self) -> SecretId:
        return self.namespace, self.name

    def expires_wall_ns(self, value_name: str) -> int:
        return self.expiries.get(value_name, self.expiries.get("", NEVER))

    def identity_without_data(self) -> NativeDocument:
        whole = self.identity.to_python()
        if isinstance(whole, dict):
            del whole["data"]
        return NativeDocument(whole, numbers_as_double=True)


def read_secret(namespace: str, name: str, document: Mapping[str, Any]) -> Secret:
    """Raises ValueError for a malformed Secret."""
    data = secret_data(document)
    metadata = {**document["metadata"], "namespace": namespace}
    labels = metadata.get("labels") or {}
    if not isinstance(labels, dict) or not all(isinstance(v, str) for v in labels.values()):
        raise ValueError("metadata.labels: expected a mapping of strings")
    values = {key: base64.b64decode(value) for key, value in data.items()}
    identity = {"metadata": metadata, "data": data, "type": document.get("type") or "Opaque"}
    expiries = _expiries(metadata.get("annotations") or {})
    return Secret(
        namespace, name, labels, values, expiries, NativeDocument(identity, numbers_as_double=True)
    )


def _expiries(annotations: Mapping[str, Any]) -> dict[str, int]:
    """Out of `tollhouse.io/expires-at` and `tollhouse.io/expires-at.<name of a value>`."""
    if not isinstance(annotations, dict):
        raise ValueError("metadata.annotations: expected a mapping of strings")
    found = {}
    for annotation, text in annotations.items():
        name, _, value_name = str(annotation).partition(f"{EXPIRES_AT}.")
        if annotation == EXPIRES_AT or (value_name and not name):
            found[value_name] = _wall_ns(annotation, text)
    return found


def _wall_ns(annotation: str, text: object) -> int:
    """RFC 3339; a time without an offset would be a guess."""
    try:
        moment = datetime.fromisoformat(str(text))
        if moment.tzinfo is None or "T" not in str(text).upper():
            raise ValueError
        return round(moment.timestamp()) * 10**9
    except (ValueError, OverflowError):
        raise ValueError(
            f"metadata.annotations: {annotation}: expected a time such as 2027-01-31T00:00:00Z"
        ) from None


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
