"""Which objects one instance takes: shards of one set of manifests are told apart by labels."""

from dataclasses import dataclass

from authz.selector_match import EVERYTHING, LabelSelector
from policy.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Scope:
    """namespace: of all objects; "" for all. auth_configs: on the labels of AuthConfigs."""

    namespace: str = ""
    auth_configs: LabelSelector = EVERYTHING

    def takes(self, manifest: Manifest) -> bool:
        if self.namespace and manifest.namespace != self.namespace:
            return False
        if manifest.kind != "AuthConfig" or self.auth_configs == EVERYTHING:
            return True
        return self.auth_configs.matches(_labels(manifest))


EVERYWHERE = Scope()


def _labels(manifest: Manifest) -> dict[str, str]:
    """Those that are text; others are no labels."""
    metadata = manifest.document.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    if not isinstance(labels, dict):
        return {}
    return {name: value for name, value in labels.items() if isinstance(value, str)}
