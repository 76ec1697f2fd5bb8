"""What `tollhouse serve` can be told on its command line, and how its help describes it."""

from collections.abc import Callable, Mapping
from typing import Any

from _fastpath.bounds import Bounds
from tollhouse import flags
from tollhouse.address import Address
from tollhouse.flags import Flag
from tollhouse.log import Format, Level
from tollhouse.settings import RateLimitHeaders, RateLimitStatuses, RetryAfter, Transport

MOST = (1 << 31) - 1
BOUND = "bound_"

LISTEN = "HOST:PORT"

SERVE_FLAGS = (
    Flag(
        "limits", flags.path, "FILE", "limits file in Limitador's format; watched", "configuration"
    ),
    Flag(
        "rate_limit_headers",
        flags.text_of(RateLimitHeaders),
        "HEADERS",
        "headers of rate limit answers: NONE, DRAFT_VERSION_03, RATELIMIT or IETF",
        "configuration",
        short="-H",
    ),
    Flag(
        "retry_after",
        flags.text_of(RetryAfter),
        "WHEN",
        "Retry-After in refusals: WITH_HEADERS (unless those are NONE), ALWAYS or NEVER",
        "configuration",
    ),
    Flag(
        "rate_limit_statuses",
        flags.text_of(RateLimitStatuses),
        "STATUSES",
        "one status per descriptor in rate limit answers: DESCRIPTORS or NONE",
        "configuration",
    ),
    Flag(
        "limit_name_in_labels",
        flags.switch,
        "",
        "put the limit's name on the metric limited_calls",
        "configuration",
        short="-l",
        switch=True,
    ),
    Flag(
        "custom_metric_labels",
        flags.path,
        "FILE",
        "labels of the request counters: YAML from name to CEL over descriptors; watched",
        "configuration",
        short="-L",
    ),
    Flag(
        "metric_labels_default",
        flags.expression,
        "CEL",
        "an expression whose map gives further labels of the request counters",
        "configuration",
    ),
    Flag("rls_listen", Address.parse, LISTEN, "gRPC, rate limits", "listeners"),
    Flag("authz_listen", Address.parse, LISTEN, "gRPC, authorization", "listeners"),
    Flag("http_listen", Address.parse, LISTEN, "HTTP: limits API, /metrics, probes", "listeners"),
    Flag(
        "authz_http_listen",
        Address.parse,
        LISTEN,
        "HTTP, authorization; opened once there is an AuthConfig",
        "listeners",
    ),
    Flag(
        "oidc_listen",
        Address.parse,
        LISTEN,
        "HTTP, discovery and keys of wristbands; opened once an AuthConfig issues them",
        "listeners",
    ),
    Flag(
        "grpc_reflection",
        flags.switch,
        "BOOL",
        "offer gRPC server reflection: true or false",
        "listeners",
    ),
    Flag(
        "threads",
        flags.count(0, 256),
        "N",
        "I/O threads of the native transport; 0: one per usable CPU",
        "process",
    ),
    Flag(
        "transport",
        flags.text_of(Transport),
        "KIND",
        "native, or grpcio: slower, for comparison",
        "process",
    ),
    Flag(
        "grace_seconds",
        flags.seconds(86400),
        "SECONDS",
        "how long running calls may take to finish after SIGTERM or SIGINT",
        "process",
    ),
    Flag(
        "disable_reservations",
        flags.switch,
        "",
        "do not offer Kuadrant's Reserve and Commit",
        "reservations",
        switch=True,
    ),
    Flag(
        "max_reservation_fraction",
        flags.fraction,
        "FRACTION",
        "how much of a limit one reservation may hold, above 0 and at most 1",
        "reservations",
    ),
    Flag(
        "max_reservation_ttl",
        flags.seconds(86400),
        "SECONDS",
        "how long a reservation may hold",
        "reservations",
    ),
    Flag(
        "max_reservations",
        flags.count(1, MOST),
        "N",
        "live reservations at once; further ones are refused",
        "reservations",
    ),
    Flag(
        "max_counters",
        flags.count(1, MOST),
        "N",
        "rate limit counters held at once; past it those nearest their expiry go",
        "process",
    ),
    Flag(
        "admin_token_file",
        flags.path,
        "FILE",
        "holds the token that operations on counters ask for; read at each use",
        "process",
    ),
    Flag(
        "max_api_keys",
        flags.count(1, MOST),
        "N",
        "API keys held at once; further ones are refused and reported",
        "process",
    ),
    Flag(
        "check_timeout_seconds",
        flags.seconds(86400),
        "SECONDS",
        "time a whole authorization has, beside the caller's deadline; 0: no more than that",
        "process",
    ),
    Flag(
        "evaluator_metrics",
        flags.switch,
        "",
        "count and time every evaluator, not only those with metrics: true",
        "process",
        switch=True,
    ),
    Flag(
        "max_failures_per_source",
        flags.count(0, MOST),
        "N",
        "failed authentications of one address in the window before it has to wait; 0: any number",
        "process",
    ),
    Flag(
        "max_failures_per_credential",
        flags.count(0, MOST),
        "N",
        "the same of one credential, or of the id that goes with it",
        "process",
    ),
    Flag(
        "failure_window_seconds",
        flags.seconds(86400, least=1),
        "SECONDS",
        "window in which failed authentications are counted",
        "process",
    ),
    Flag(
        "max_http_body_bytes",
        flags.size(1, 1 << 30),
        "BYTES",
        "largest body of an authorization request over HTTP",
        "process",
    ),
    Flag("log_level", flags.text_of(Level), "LEVEL", "error, warning, info or debug", "process"),
    Flag("log_format", flags.text_of(Format), "FORMAT", "text, json or zap, on stderr", "process"),
    Flag(
        "request_log",
        flags.switch,
        "",
        "log every authorization and its answer, at level info; all go to the full lane",
        "process",
        switch=True,
    ),
    Flag(
        "http_log",
        flags.switch,
        "",
        "log every HTTP request with its X-Request-Id, at level info",
        "process",
        switch=True,
    ),
)

_SIZE = flags.size(1, 1 << 40)
_COUNT = flags.count(1, MOST)
_SECONDS = flags.seconds(86400)


def _bound(name: str, help_text: str) -> Flag:
    read: Callable[[str], Any]
    if name.endswith("_bytes"):
        read, metavar = _SIZE, "BYTES"
    elif name.endswith("_seconds"):
        read, metavar = _SECONDS, "SECONDS"
    else:
        read, metavar = _COUNT, "N"
    return Flag(BOUND + name, read, metavar, help_text, "bounds on what peers can cause")


BOUND_FLAGS = (
    _bound("message_bytes", "largest request message"),
    _bound("header_list_bytes", "largest list of request headers"),
    _bound("concurrent_streams", "calls in flight per connection"),
    _bound("connections", "open connections over all gRPC listeners"),
    _bound("connection_request_bytes", "request bytes held per connection"),
    _bound("process_request_bytes", "request bytes held over all connections"),
    _bound("stream_window_bytes", "receive window of one call"),
    _bound("handover_calls", "calls that wait for the interpreter"),
    _bound("handover_bytes", "request bytes of the calls that wait for the interpreter"),
    _bound("handover_age_seconds", "a call that waited longer is refused"),
    _bound("stream_output_bytes", "answer bytes held per stream before its handler waits"),
    _bound("connection_output_bytes", "answer bytes held per connection before it is closed"),
    _bound("idle_seconds", "close a connection without calls after this long; 0: never"),
    _bound("request_seconds", "time for a connection's first request, and for any to arrive whole"),
    _bound("stalled_output_seconds", "close a connection that reads no answer for this long"),
    _bound("resets_per_second", "stream resets per connection, beyond those calls account for"),
    _bound("pings_per_second", "PING frames per connection"),
    _bound("settings_per_second", "SETTINGS frames per connection"),
    _bound("empty_frames_per_second", "empty DATA frames per connection"),
)

PROCESS_FLAGS = tuple(
    flag
    for flag in SERVE_FLAGS
    if flag.field in {"threads", "transport", "grace_seconds", "max_api_keys"}
)
"""Those whose variables `tollhouse authorino` takes too."""


def read_bounds(given: Mapping[str, Any], environment: Mapping[str, str]) -> Bounds:
    """Raises UsageError."""
    found = flags.values(BOUND_FLAGS, given, environment)
    return Bounds(**{field.removeprefix(BOUND): value for field, value in found.items()})


SERVE_DESCRIPTION = """\
Serve rate limits and authorization. Every DIR is a directory of manifests (AuthConfig, Secret), or
one file of them. DIRs and the limits file are watched: a change counts within 50 ms, later when it
brings thousands of objects to read. What is refused keeps its last good version and shows in the
log, /status and /metrics."""

SERVE_EPILOG = """\
addresses:
  HOST:PORT         TCP; [::1]:8081 for IPv6, port 0 for any free one
  unix:PATH         a Unix socket
  none              do not open this listener
Both gRPC listeners answer for all services, with grpc.health.v1 and server reflection.

environment:
  Every flag is a variable as well: --rls-listen is TOLLHOUSE_RLS_LISTEN. Flags win. TOLLHOUSE_DIR
  holds DIRs separated by colons, TOLLHOUSE_ADMIN_TOKEN the admin token itself. Sizes may be written
  with KiB, MiB or GiB.

exit codes:
  0  ended by SIGTERM or SIGINT   1  unreadable input or a failed bind   2  unusable command line

examples:
  tollhouse serve --limits limits.yaml
  tollhouse serve manifests/ --limits limits.yaml -H DRAFT_VERSION_03
  tollhouse serve manifests/ --rls-listen none --authz-listen unix:/run/tollhouse.sock"""
