"""Every kind of evaluator, by phase and by its field in an AuthConfig."""

from collections.abc import Mapping

from authz.evaluators.anonymous import open_anonymous, read_anonymous
from authz.evaluators.api_key import (
    API_KEY_EXTENSIONS,
    api_key_challenge,
    open_api_key,
    read_api_key,
)
from authz.evaluators.http_callback import open_http_callback, read_http_callback
from authz.evaluators.http_metadata import open_http_metadata, read_http_metadata
from authz.evaluators.jwt import EXTENSIONS as JWT_EXTENSIONS
from authz.evaluators.jwt import open_jwt, read_jwt
from authz.evaluators.oauth2_introspection import open_introspection, read_introspection
from authz.evaluators.opa import open_opa, read_opa
from authz.evaluators.pattern_matching import open_pattern_matching, read_pattern_matching
from authz.evaluators.plain import open_plain, read_plain
from authz.evaluators.response_values import (
    open_json_item,
    open_plain_item,
    read_json_item,
    read_plain_item,
)
from authz.evaluators.spicedb import open_spicedb, read_spicedb
from authz.evaluators.subject_access_review import (
    open_subject_access_review,
    read_subject_access_review,
)
from authz.evaluators.token_review import open_token_review, read_token_review, review_key
from authz.evaluators.uma import open_uma, read_uma
from authz.evaluators.user_info import open_user_info, read_user_info
from authz.evaluators.wristband import EXTENSIONS as WRISTBAND_EXTENSIONS
from authz.evaluators.wristband import open_wristband, read_wristband
from authz.evaluators.x509 import open_x509, read_x509
from authz.kind import Kind

ANONYMOUS = Kind("IDENTITY_NOOP", True, read_anonymous, open_anonymous, lambda _: "Bearer")

AUTHENTICATION: Mapping[str, Kind] = {
    "apiKey": Kind(
        "IDENTITY_APIKEY",
        True,
        read_api_key,
        open_api_key,
        api_key_challenge,
        API_KEY_EXTENSIONS,
        caches=False,
    ),
    "oauth2Introspection": Kind("IDENTITY_OAUTH2", False, read_introspection, open_introspection),
    "kubernetesTokenReview": Kind(
        "IDENTITY_KUBERNETES", False, read_token_review, open_token_review, cache_key=review_key
    ),
    "jwt": Kind("IDENTITY_JWT", False, read_jwt, open_jwt, extensions=JWT_EXTENSIONS, caches=False),
    "plain": Kind(
        "IDENTITY_PLAIN", True, read_plain, open_plain, lambda spec: spec.source, caches=False
    ),
    "x509": Kind(
        "IDENTITY_MTLS", False, read_x509, open_x509, lambda _: "Certificate", caches=False
    ),
    "anonymous": ANONYMOUS,
}
METADATA: Mapping[str, Kind] = {
    "userInfo": Kind(
        "METADATA_USERINFO", False, read_user_info, open_user_info, extensions=("strict",)
    ),
    "uma": Kind("METADATA_UMA", False, read_uma, open_uma),
    "http": Kind(
        "METADATA_GENERIC_HTTP",
        False,
        read_http_metadata,
        open_http_metadata,
        extensions=("strict",),
    ),
}
AUTHORIZATION: Mapping[str, Kind] = {
    "opa": Kind("AUTHORIZATION_OPA", False, read_opa, open_opa),
    "spicedb": Kind("AUTHORIZATION_AUTHZED", False, read_spicedb, open_spicedb),
    "patternMatching": Kind(
        "AUTHORIZATION_JSON", True, read_pattern_matching, open_pattern_matching
    ),
    "kubernetesSubjectAccessReview": Kind(
        "AUTHORIZATION_KUBERNETES",
        False,
        read_subject_access_review,
        open_subject_access_review,
        extensions=("ignoreQuery",),
    ),
}
RESPONSE: Mapping[str, Kind] = {
    "plain": Kind("RESPONSE_PLAIN", True, read_plain_item, open_plain_item),
    "json": Kind("RESPONSE_JSON", True, read_json_item, open_json_item),
    "wristband": Kind(
        "RESPONSE_WRISTBAND", False, read_wristband, open_wristband, extensions=WRISTBAND_EXTENSIONS
    ),
}
CALLBACKS: Mapping[str, Kind] = {
    "http": Kind(
        "CALLBACK_HTTP",
        False,
        read_http_callback,
        open_http_callback,
        extensions=("asynchronous",),
    ),
}
