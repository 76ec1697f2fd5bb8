"""A Rego policy as a module of a real OPA, under a package of its own."""

import hashlib
from dataclasses import dataclass, field

from authz.opa.errors import PolicyRefused
from authz.opa.input_parts import InputParts
from authz.opa.policy import after_package, has_default_allow
from authz.opa.tokens import references, tokens_of

ROOT = "tollhouse"


@dataclass(frozen=True, slots=True)
class OpaModule:
    """id: follows from the text. first_line: of the author's text in `text`, from 0."""

    id: str
    text: str
    first_line: int
    parts: InputParts = field(compare=False)

    @property
    def package(self) -> str:
        return f"{ROOT}.{self.id}"


def opa_module(rego: str, version: str) -> OpaModule:
    """version: "v0" or "v1". Raises PolicyRefused for what are no tokens, and for references to the
    modules of others."""
    tokens = tokens_of(rego)
    first = after_package(tokens)
    found = references(tokens)
    for reference in found:
        if reference.steps[0] == "data" and reference.steps[1:2] in ((), (ROOT,)):
            line = tokens[reference.first].line
            raise PolicyRefused(f"{reference.name} is not for policies", line)
    imported = any(reference.steps == ("rego", "v1") for reference in found)
    header = "import rego.v1\n" if version == "v1" and not imported else ""
    body = "\n" * rego.count("\n", 0, tokens[first].start) + rego[tokens[first].start :]
    if not has_default_allow(tokens):
        body += "\ndefault allow := false\n"
    digest = hashlib.blake2b(f"{header}{body}".encode(), digest_size=16).hexdigest()
    paths = (reference.steps[1:] for reference in found if reference.steps[0] == "input")
    return OpaModule(
        id=f"p{digest}",
        text=f"package {ROOT}.p{digest}\n{header}{body}",
        first_line=1 + header.count("\n"),
        parts=InputParts.of(paths),
    )
