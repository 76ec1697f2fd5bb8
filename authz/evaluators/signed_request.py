"""Authentication `apiKey` with the extension `signature`: the key never travels, it signs.

The request carries an HMAC over parts of itself (RFC 9421, algorithm hmac-sha256). `keyid` is the
name of the Secret whose key signed, with its namespace before a slash for `allNamespaces`.
"""

import hashlib
import hmac
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass

from _fastpath.header_spec import HEADER_NAME
from _fastpath.rule import CREDENTIAL_MISSING
from authz.errors import Unauthenticated
from authz.evaluator import IdentityEvaluator, Turn
from authz.fields import Fields
from authz.key_form import KeyForm
from authz.keys import KeyRing
from authz.secret import Secret
from authz.selector_match import LabelSelector
from authz.signatures.base import KNOWN, signature_base
from authz.signatures.fields import SignatureInput, read_inputs, read_signatures

ALGORITHM = "hmac-sha256"
COVERED = ("@method", "@authority", "@path", "@query")
MAX_AGE_S = 300
SKEW_S = 30  # how far ahead of ours the clock of a signer may be
INVALID = "the signature is invalid"
DIGEST = "content-digest"
_DIGEST = re.compile(r"(?:^|,)[ \t]*(sha-256|sha-512)=:([A-Za-z0-9+/]+={0,2}):[ \t]*(?=,|$)")
_HASHES = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """components: have to be covered. max_age_s: after the signature's `created`. body: has to be
    covered by Content-Digest, which is compared with it."""

    selector: LabelSelector
    all_namespaces: bool
    form: KeyForm
    components: tuple[str, ...]
    max_age_s: int
    body: bool


def read_signed_request(
    extension: Fields, selector: LabelSelector, all_namespaces: bool, form: KeyForm
) -> SignedRequest:
    fields = extension.group("signature")
    fields.known("components", "maxAge", "body")
    if form.paired:
        extension.fault("does not go with signature", "appId")
    components = fields.texts("components") or COVERED
    for index, name in enumerate(components):
        if name not in KNOWN and not (HEADER_NAME.fullmatch(name) and name == name.lower()):
            fields.fault(
                f"expected a header in lower case or one of {', '.join(sorted(KNOWN))}",
                "components", index,
            )  # fmt: skip
    max_age_s = fields.integer("maxAge", MAX_AGE_S)
    if not 0 < max_age_s <= 86_400:
        fields.fault("expected 1 to 86400 seconds", "maxAge")
    body = fields.boolean("body")
    if body and DIGEST not in components:
        components = (*components, DIGEST)
    return SignedRequest(selector, all_namespaces, form, components, max_age_s, body)


class SignedRequestIdentity(IdentityEvaluator):
    def __init__(self, spec: SignedRequest, namespace: str, keys: KeyRing) -> None:
        self._spec = spec
        self._namespace = namespace
        self._keys = keys

    async def identify(self, turn: Turn, credential: bytes | None) -> object:
        found = turn.document.get("request")
        request: Mapping[str, object] = found if isinstance(found, dict) else {}
        field = _header(request, "signature-input")
        if not field:
            raise Unauthenticated(CREDENTIAL_MISSING)
        try:
            inputs = read_inputs(field)
            signatures = read_signatures(_header(request, "signature"))
        except ValueError as error:
            raise Unauthenticated(INVALID) from error
        reasons = []
        for label, covered in inputs.items():
            try:
                return self._verified(covered, signatures.get(label, b""), request, turn.wall_ns)
            except Unauthenticated as error:
                reasons.append(error)
        raise reasons[0]

    def _verified(
        self,
        covered: SignatureInput,
        signature: bytes,
        request: Mapping[str, object],
        wall_ns: int,
    ) -> object:
        """The identity of who signed. What the signature says of itself is judged once it is known
        to be the signer's. Raises Unauthenticated."""
        try:
            base = signature_base(covered, request)
        except ValueError as error:
            raise Unauthenticated(INVALID) from error
        secret = self._signer(covered)
        if not self._signed(secret, base, signature, wall_ns):
            raise Unauthenticated(INVALID)
        self._check_time(covered, wall_ns // 10**9)
        for name in self._spec.components:
            if name not in covered.components:
                raise Unauthenticated(f"the signature does not cover {name}")
        if self._spec.body:
            _check_body(request)
        return self._spec.form.identity(secret).to_python()

    def _signer(self, covered: SignatureInput) -> Secret:
        name = covered.parameters.get("keyid")
        if not isinstance(name, str) or covered.parameters.get("alg", ALGORITHM) != ALGORITHM:
            raise Unauthenticated(INVALID)
        namespace = self._namespace
        if self._spec.all_namespaces:
            namespace, _, name = name.partition("/")
        secret = self._keys.find((namespace, name), self._spec.selector)
        if secret is None:
            raise Unauthenticated(INVALID)
        return secret

    def _signed(self, secret: Secret, base: bytes, signature: bytes, wall_ns: int) -> bool:
        """By any of the Secret's keys that count now."""
        fits = False
        for key in self._spec.form.keys(secret):
            if not key.hashed and wall_ns < key.expires_wall_ns:
                expected = hmac.digest(key.value, base, "sha256")
                fits |= hmac.compare_digest(expected, signature)
        return fits

    def _check_time(self, covered: SignatureInput, now_s: int) -> None:
        created, expires = (covered.parameters.get(name) for name in ("created", "expires"))
        if not isinstance(created, int) or not isinstance(expires, int | None):
            raise Unauthenticated("the signature does not say when it was created")
        if created > now_s + SKEW_S:
            raise Unauthenticated("the signature was created in the future")
        if now_s >= created + self._spec.max_age_s or (expires is not None and now_s >= expires):
            raise Unauthenticated("the signature has expired")


def _check_body(request: Mapping[str, object]) -> None:
    """Against every digest of Content-Digest (RFC 9530) that is known, of which there must be one.

    Raises Unauthenticated. The field itself is covered, so it is there."""
    digests, body = _DIGEST.findall(_header(request, DIGEST)), _body(request)
    if not digests or not all(_is_digest(text, name, body) for name, text in digests):
        raise Unauthenticated("the body is not the one that was signed")


def _header(request: Mapping[str, object], name: str) -> str:
    headers = request.get("headers")
    return headers.get(name, "") if isinstance(headers, dict) else ""


def _is_digest(text: str, name: str, body: bytes) -> bool:
    try:
        return hmac.compare_digest(b64decode(text), _HASHES[name](body).digest())
    except ValueError:
        return False


def _body(request: Mapping[str, object]) -> bytes:
    raw, text = request.get("raw_body"), request.get("body")
    if isinstance(raw, str) and raw:
        return b64decode(raw)
    return text.encode() if isinstance(text, str) else b""
