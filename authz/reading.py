"""From an AuthConfig document (v1beta3 or v1beta2) to an AuthConfig.

Everything that is not understood is a fault, so nothing an author wrote is ever left out silently.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from _fastpath.rule_spec import Credential, Target
from authz.config import (
    AuthConfig,
    Authentication,
    Authorization,
    Cache,
    Callback,
    Denial,
    Metadata,
    SuccessItem,
)
from authz.entry_reading import Reading, check_header_names
from authz.errors import Fault, InvalidAuthConfig
from authz.evaluators.anonymous import Anonymous
from authz.extensions import check_entries, read_extensions
from authz.fields import Fields
from authz.hosts import host_fault
from authz.kind import Kind
from authz.kinds import ANONYMOUS, AUTHENTICATION, AUTHORIZATION, CALLBACKS, METADATA, RESPONSE
from authz.value_reading import ConditionReader, named_patterns, read_value

COMMON = ("priority", "metrics", "when", "cache")
COMMON_EXTENSIONS = ("deadline", "failureTtl")
CACHE_TTL_S = 60
MOST_CALLBACKS = 32  # each is a call for every request (CVE-2025-25207)


def read_auth_config(namespace: str, name: str, document: Mapping[str, Any]) -> AuthConfig:
    """Raises InvalidAuthConfig, which lists every fault."""
    faults: list[Fault] = []
    whole = Fields(document, (), faults)
    spec = whole.group("spec")
    spec.known(
        "hosts", "patterns", "when", "authentication", "metadata", "authorization", "response",
        "callbacks",
    )  # fmt: skip
    extensions = read_extensions(whole)
    check_entries(extensions, spec)
    conditions = ConditionReader(named_patterns(spec))
    reader = _Reader(spec, extensions, conditions)
    config = AuthConfig(
        namespace=namespace,
        name=name,
        hosts=_hosts(spec),
        when=conditions.read(spec, "when"),
        authentication=reader.authentication(),
        metadata=reader.metadata(),
        authorization=reader.authorization(),
        unauthenticated=_denial(spec.group("response"), "unauthenticated"),
        unauthorized=_denial(spec.group("response"), "unauthorized"),
        success=reader.success(),
        callbacks=reader.callbacks(),
        skip_failed_conditions=extensions.text("conditionErrors") == "skip",
    )
    if faults:
        raise InvalidAuthConfig(tuple(faults))
    return config


def read_hosts(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The hosts of a document that may be refused: they are owned all the same."""
    spec = document.get("spec")
    hosts = spec.get("hosts") if isinstance(spec, dict) else None
    if not isinstance(hosts, list):
        return ()
    return tuple(host for host in hosts if isinstance(host, str) and host_fault(host) is None)


def _hosts(spec: Fields) -> tuple[str, ...]:
    hosts = spec.texts("hosts")
    if not hosts:
        spec.fault("expected at least one host", "hosts")
    for index, host in enumerate(hosts):
        wrong = host_fault(host)
        if wrong is not None:
            spec.fault(wrong, "hosts", index)
    return hosts


class _Reader:
    """Reads the entries of all phases."""

    def __init__(self, spec: Fields, extensions: Fields, conditions: ConditionReader) -> None:
        self._spec = spec
        self._extensions = extensions
        self._conditions = conditions

    def authentication(self) -> tuple[Authentication, ...]:
        found = []
        own = ("credentials", "defaults", "overrides")
        for name, entry in self._spec.groups("authentication"):
            reading = self._reading("authentication", name, entry)
            kind, common = self._entry(name, reading, AUTHENTICATION, own)
            credential, challenge = reading.credential(entry.group("credentials"))
            if kind is not None and kind.challenge is not None and common["spec"] is not None:
                challenge = kind.challenge(common["spec"]) or challenge
            found.append(
                Authentication(
                    credential=credential,
                    challenge=challenge,
                    defaults=reading.values(entry, "defaults"),
                    overrides=reading.values(entry, "overrides"),
                    **common,
                )
            )
        if not found:
            found.append(
                Authentication(
                    name="anonymous",
                    kind=ANONYMOUS,
                    spec=Anonymous(),
                    credential=Credential(),
                    challenge="Bearer",
                )
            )
        return tuple(found)

    def metadata(self) -> tuple[Metadata, ...]:
        found = []
        for name, entry in self._spec.groups("metadata"):
            reading = self._reading("metadata", name, entry)
            _, common = self._entry(name, reading, METADATA, (), ("required",))
            found.append(Metadata(required=reading.extension.boolean("required"), **common))
        return tuple(found)

    def authorization(self) -> tuple[Authorization, ...]:
        found = []
        for name, entry in self._spec.groups("authorization"):
            reading = self._reading("authorization", name, entry)
            _, common = self._entry(name, reading, AUTHORIZATION, ())
            found.append(Authorization(**common))
        return tuple(found)

    def callbacks(self) -> tuple[Callback, ...]:
        found = []
        for name, entry in self._spec.groups("callbacks"):
            reading = self._reading("callbacks", name, entry)
            _, common = self._entry(name, reading, CALLBACKS, ())
            found.append(Callback(**common))
        if len(found) > MOST_CALLBACKS:
            self._spec.fault(
                f"expected at most {MOST_CALLBACKS} entries, got {len(found)}", "callbacks"
            )
        return tuple(found)

    def success(self) -> tuple[SuccessItem, ...]:
        success = self._spec.group("response").group("success")
        success.known("headers", "dynamicMetadata")
        found = []
        targets = {"headers": Target.HEADER, "dynamicMetadata": Target.DYNAMIC_METADATA}
        for field, target in targets.items():
            for name, entry in success.groups(field):
                reading = self._reading("response", name, entry)
                _, common = self._entry(name, reading, RESPONSE, ("key",))
                key = entry.text("key") or name
                if target is Target.HEADER:
                    check_header_names(entry, [key])
                found.append(SuccessItem(key=key, target=target, **common))
        return tuple(found)

    @cached_property
    def _fingerprint(self) -> bytes:
        """Of everything: an entry's results follow from named patterns and earlier phases too."""
        text = json.dumps([self._spec.data, self._extensions.data], sort_keys=True, default=str)
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def _reading(self, phase: str, name: str, entry: Fields) -> Reading:
        return Reading(entry, self._extensions.group(phase).group(name), self._conditions)

    def _entry(
        self,
        name: str,
        reading: Reading,
        kinds: Mapping[str, Kind],
        own: tuple[str, ...],
        extensions: tuple[str, ...] = (),
    ) -> tuple[Kind | None, dict[str, Any]]:
        """The kind and what all entries have. Without a kind there is a fault."""
        entry, extension = reading.entry, reading.extension
        told = len(entry.faults)
        entry.known(*kinds, *own, *COMMON)
        misspelled = len(entry.faults) > told and not kinds.keys() & entry.data.keys()
        method = None if misspelled else entry.one_of(*kinds)
        kind = None if method is None else kinds[method]
        known = () if kind is None else kind.extensions
        extension.known(*COMMON_EXTENSIONS, *extensions, *known)
        cache = _cache(entry, extension)
        spec = None if kind is None else kind.read(entry.group(method or ""), reading)
        if cache is not None and kind is not None:
            cache = replace(cache, key=kind.cache_key(spec, cache.key)) if kind.caches else None
        return kind, {
            "name": name,
            "kind": kind,
            "spec": spec,
            "priority": entry.integer("priority"),
            "when": self._conditions.read(entry, "when"),
            "metrics": entry.boolean("metrics"),
            "cache": cache,
            "deadline_s": _positive(extension, "deadline") / 1000 or None,
            "fingerprint": self._fingerprint if entry.has("cache") else b"",
        }


def _cache(entry: Fields, extension: Fields) -> Cache | None:
    failure_ttl_s = _positive(extension, "failureTtl")
    if not entry.has("cache"):
        if failure_ttl_s:
            extension.fault("needs `cache` in the entry", "failureTtl")
        return None
    cache = entry.group("cache")
    cache.known("key", "ttl")
    if not cache.has("key"):
        cache.fault("is required", "key")
    ttl_s = _positive(cache, "ttl")
    return Cache(read_value(cache.group("key")), ttl_s or CACHE_TTL_S, failure_ttl_s)


def _positive(fields: Fields, name: str) -> int:
    number = fields.integer(name)
    if number < 0:
        fields.fault("expected no negative number", name)
    return max(number, 0)


def _denial(response: Fields, name: str) -> Denial:
    response.known("unauthenticated", "unauthorized", "success")
    fields = response.group(name)
    fields.known("code", "message", "body", "headers")
    code = fields.integer("code")
    if code and not 300 <= code <= 599:
        fields.fault("expected an HTTP status from 300 to 599", "code")
    headers = None
    if fields.has("headers"):
        headers = {key: read_value(inner) for key, inner in fields.groups("headers")}
        check_header_names(fields, headers)
    message = read_value(fields.group("message")) if fields.has("message") else None
    body = read_value(fields.group("body")) if fields.has("body") else None
    return Denial(code, message, body, headers)
