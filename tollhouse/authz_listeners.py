"""The HTTP listeners of authorization: checks, and what verifiers of wristbands ask for."""

from collections.abc import Callable

from authz.service import AuthorizationService
from authz.wristband.issuers import find_discovery, has_issuers
from tollhouse.check_http import CheckHttp
from tollhouse.manifests_source import ManifestsSource
from tollhouse.oidc_http import OidcHttp
from tollhouse.on_demand import OnDemand, OnDemandListeners
from tollhouse.server_tls import ServerTls
from tollhouse.settings import ServeSettings, TlsFiles


def authz_listeners(
    settings: ServeSettings,
    service: AuthorizationService,
    manifests: ManifestsSource,
    count: Callable[..., None],
) -> OnDemandListeners:
    """count: adds one to the series of a name and labels."""
    check = CheckHttp(
        service.check_here,
        count,
        service.metrics.took,
        most_body_bytes=settings.max_http_body_bytes,
    )
    oidc = OidcHttp(lambda name, entry: find_discovery(manifests.snapshot, name, entry), count)
    return OnDemandListeners(
        [
            OnDemand(
                "HTTP authorization",
                settings.authz_http_listen,
                check,
                lambda: manifests.has_auth_configs,
                _tls(settings.tls.authz_http),
            ),
            OnDemand(
                "wristband discovery",
                settings.oidc_listen,
                oidc,
                lambda: has_issuers(manifests.snapshot),
                _tls(settings.tls.oidc),
            ),
        ]
    )


def _tls(files: TlsFiles | None) -> ServerTls | None:
    return None if files is None else ServerTls(files)
