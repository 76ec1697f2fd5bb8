from envoy.service.ratelimit.v3 import rls_pb2 as _rls_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
