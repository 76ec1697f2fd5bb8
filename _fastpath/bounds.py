"""What a peer may make the server hold or do; every bound has an answer, see docs/transport.md."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one native server. Bytes, counts and seconds, as the names say."""

    message_bytes: int = 4 << 20
    """Largest request message; a larger one is answered RESOURCE_EXHAUSTED."""
    header_list_bytes: int = 64 << 10
    """Largest header list, counted as HTTP/2 does (name + value + 32 each)."""
    concurrent_streams: int = 1024
    """Per connection; Envoy's default circuit breaker allows as many calls in parallel."""
    connections: int = 10_000
    """Over all listeners; a further one is accepted and closed at once."""
    connection_request_bytes: int = 8 << 20
    """Request bytes held per connection; also its receive window. At least 192 KiB."""
    process_request_bytes: int = 256 << 20
    """Request bytes held over all connections. From three quarters of it on, streams whose requests
    are still arriving get no more window."""
    stream_window_bytes: int = 1 << 20
    """Initial receive window of a stream."""
    handover_calls: int = 10_000
    """Calls that wait for the interpreter or run in it."""
    handover_bytes: int = 64 << 20
    """Request bytes of unary calls that wait for the interpreter or run in it."""
    handover_age_seconds: float = 2.0
    """A call that waited longer is refused instead of started."""
    stream_output_bytes: int = 256 << 10
    """Answer bytes held per stream before a streaming handler waits."""
    connection_output_bytes: int = 4 << 20
    """Answer bytes held per connection: at half of it streaming handlers wait and nothing more is
    read, past it the connection is closed."""
    idle_seconds: float = 0.0
    """Close a connection without open streams after this long; 0 keeps it, as Envoy expects."""
    request_seconds: float = 30.0
    """A connection must complete its first request, and every request its headers and (unless it
    streams) its message, within this time."""
    stalled_output_seconds: float = 30.0
    """Close a connection whose peer reads nothing of a waiting answer for so long."""
    resets_per_second: int = 200
    """Stream resets that no timeout explains, beyond half of the streams opened lately."""
    pings_per_second: int = 200
    """PINGs beyond the DATA frames exchanged lately: gRPC clients measure with one per burst."""
    settings_per_second: int = 50
    """SETTINGS frames, acknowledgments apart."""
    empty_frames_per_second: int = 500
    """Empty DATA frames that end nothing, and PRIORITY frames."""
