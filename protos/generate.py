"""Regenerate `protos/generated/` from the .proto files beside this module.

Imports are resolved from the descriptors of installed packages (xds-protos, protobuf), so no copy
of Envoy's tree is needed.
"""

import sys
import tempfile
from pathlib import Path

from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

FOLDER = Path(__file__).parent
IMPORTED = (rls_pb2, duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)


def with_dependencies(files: list[FileDescriptor]) -> FileDescriptorSet:
    """These files and all that they import, imports first."""
    found: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        if file.name not in found:
            for dependency in file.dependencies:
                add(dependency)
            found[file.name] = file

    for file in files:
        add(file)
    descriptors = FileDescriptorSet()
    for file in found.values():
        file.CopyToProto(descriptors.file.add())
    return descriptors


def main() -> None:
    root = FOLDER.parent
    with tempfile.NamedTemporaryFile(suffix=".binpb") as imports:
        imports.write(with_dependencies([m.DESCRIPTOR for m in IMPORTED]).SerializeToString())
        imports.flush()
        failed = protoc.main(
            [
                "protoc",
                f"--descriptor_set_in={imports.name}",
                f"--proto_path=protos/generated={FOLDER}",
                f"--python_out={root}",
                f"--pyi_out={root}",
                *(f"protos/generated/{p.name}" for p in sorted(FOLDER.glob("*.proto"))),
            ]
        )
    sys.exit(failed)


if __name__ == "__main__":
    main()
