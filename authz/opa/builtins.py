"""The built-ins that policies may call in the embedded engine.

Each was compared with OPA call by call (tests/authz/opa/test_builtins.py): NATIVE ones agree as
rego-cpp has them; PROVIDED ones are computed by authz/opa/provided.py, since rego-cpp lacks them
or answers otherwise. Any other is refused when the policy is read.
"""

from collections.abc import Mapping

NATIVE = frozenset(
    {
        "abs", "array.concat", "array.flatten", "array.reverse", "array.slice", "bits.and",
        "bits.lsh", "bits.negate", "bits.or", "bits.rsh", "bits.xor", "ceil", "contains", "count",
        "endswith", "floor", "graph.reachable", "graph.reachable_paths", "indexof", "indexof_n",
        "intersection", "is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set",
        "is_string", "json.filter", "json.patch", "json.remove", "numbers.range",
        "numbers.range_step", "object.filter", "object.get", "object.keys", "object.remove",
        "object.subset", "print", "replace", "round", "split", "startswith",
        "strings.any_prefix_match", "strings.any_suffix_match", "strings.count",
        "strings.replace_n", "strings.reverse", "substring", "trim", "trim_left",
        "trim_prefix", "trim_right", "trim_suffix", "type_name", "union", "walk",
    }
)  # fmt: skip

# What operators, keywords and authz/opa/answers.rego compile to.
OPERATORS = frozenset(
    {
        "and", "concat", "div", "eq", "equal", "gt", "gte", "internal.member_2",
        "internal.member_3", "internal.print", "lt", "lte", "max", "min", "minus", "mul",
        "neq", "or", "plus", "product", "rem", "sort", "sum", "sprintf",
    }
)  # fmt: skip

# Functions of authz/opa/answers.rego.
REWRITTEN: Mapping[str, str] = {
    "concat": "joined",
    "max": "greatest",
    "min": "least",
    "product": "multiplied",
    "sum": "total",
    "tollhouse_gt": "gt",
    "tollhouse_gte": "gte",
    "tollhouse_lt": "lt",
    "tollhouse_lte": "lte",
}

PROVIDED: Mapping[str, int] = {
    "all": 1,
    "any": 1,
    "base64.decode": 1,
    "base64.encode": 1,
    "base64.is_valid": 1,
    "base64url.decode": 1,
    "base64url.encode": 1,
    "base64url.encode_no_pad": 1,
    "crypto.hmac.equal": 2,
    "crypto.hmac.md5": 2,
    "crypto.hmac.sha1": 2,
    "crypto.hmac.sha256": 2,
    "crypto.hmac.sha512": 2,
    "crypto.md5": 1,
    "crypto.sha1": 1,
    "crypto.sha256": 1,
    "format_int": 2,
    "glob.match": 3,
    "hex.decode": 1,
    "hex.encode": 1,
    "http.send": 1,
    "io.jwt.decode": 1,
    "json.is_valid": 1,
    "json.marshal": 1,
    "json.unmarshal": 1,
    "lower": 1,
    "net.cidr_contains": 2,
    "net.cidr_intersects": 2,
    "net.cidr_is_valid": 1,
    "rand.intn": 2,
    "re_match": 2,
    "regex.is_valid": 1,
    "regex.match": 2,
    "semver.compare": 2,
    "semver.is_valid": 1,
    "sort": 1,
    "sprintf": 2,
    "time.clock": 1,
    "time.date": 1,
    "time.now_ns": 0,
    "time.parse_duration_ns": 1,
    "time.parse_rfc3339_ns": 1,
    "time.weekday": 1,
    "to_number": 1,
    "trim_space": 1,
    "upper": 1,
    "urlquery.decode": 1,
    "urlquery.encode": 1,
    "uuid.rfc4122": 1,
}
ADVICE = "serve with --rego-engine opa to use all of Rego"
