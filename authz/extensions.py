"""The annotation `tollhouse.io/extensions`: options that AuthConfig itself has no fields for.

Its text is YAML (so also JSON), shaped like the spec: phases, entries by name, options.
"""

from typing import Any

import yaml

from authz.fields import Fields

ANNOTATION = "tollhouse.io/extensions"
MOST_BYTES = 64 * 1024
PHASES = ("authentication", "metadata", "authorization", "response", "callbacks")
CONDITION_ERRORS = ("deny", "skip")


class _Loader(yaml.SafeLoader):
    """Without aliases, which let a short text grow without bound."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not taken here")
        return super().compose_node(parent, index)


def read_extensions(document: Fields) -> Fields:
    """The annotation's mapping, empty when there is none; notes what is wrong with it."""
    annotations = document.group("metadata").group("annotations")
    text = annotations.text(ANNOTATION)
    path = (*annotations.path, ANNOTATION)
    data: object = None
    if len(text.encode()) > MOST_BYTES:
        annotations.fault(f"expected at most {MOST_BYTES} bytes", ANNOTATION)
    elif text:
        try:
            data = yaml.load(text, _Loader)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            reason = getattr(error, "problem", None) or str(error)
            annotations.fault(f"expected YAML: {reason}", ANNOTATION)
    if data is not None and not isinstance(data, dict):
        annotations.fault("expected a mapping", ANNOTATION)
        data = None
    extensions = Fields(data or {}, path, document.faults)
    extensions.known(*PHASES, "conditionErrors")
    if extensions.text("conditionErrors", "deny") not in CONDITION_ERRORS:
        extensions.fault(f"expected one of {', '.join(CONDITION_ERRORS)}", "conditionErrors")
    return extensions


def check_entries(extensions: Fields, spec: Fields) -> None:
    """Note options of entries that the spec does not have."""
    for phase in PHASES if extensions.data else ():
        there = spec.group(phase).data
        if phase == "response":
            success = spec.group("response").group("success")
            there = {**success.group("headers").data, **success.group("dynamicMetadata").data}
        for name, entry in extensions.groups(phase):
            if name not in there:
                entry.fault(f"there is no entry of this name in spec.{phase}")
