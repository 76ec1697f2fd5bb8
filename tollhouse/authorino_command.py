"""`tollhouse authorino`: serves as Authorino would, on its ports, with its probes and metrics."""

import sys
from collections.abc import Iterator

from tollhouse import authorino_http, serve
from tollhouse.assembly import Assembly
from tollhouse.authorino_flags import BANNER
from tollhouse.authorino_settings import AuthorinoSettings, AuthorinoVersion


def run(settings: AuthorinoSettings | AuthorinoVersion) -> int:
    """Returns the exit code. Raises StartError."""
    if isinstance(settings, AuthorinoVersion):
        print(BANNER)
        return 0

    def sides(assembly: Assembly) -> Iterator[serve.Side]:
        probes = authorino_http.probes(lambda: assembly.ready, assembly.reports)
        if settings.metrics_listen is not None:
            yield serve.Side("metrics", assembly.metrics_routes(), settings.metrics_listen)
        if settings.probes_listen is not None:
            yield serve.Side("probes", probes, settings.probes_listen)

    return serve.run(settings.serve, log_to=sys.stderr, notices=settings.ignored, sides=sides)
