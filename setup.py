"""Extension list and build switches; everything else stands in pyproject.toml.

TOLLHOUSE_SANITIZE=address,undefined | thread   build the core under these sanitizers
TOLLHOUSE_EXTENSIONS=none                       leave them out (they are built in place later)
TOLLHOUSE_ANNOTATE=1                            write Cython's annotated HTML beside each module
"""

import os
import sys
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

sanitizers = os.environ.get("TOLLHOUSE_SANITIZE", "")
flags = ["-std=c++17", "-O2", "-g1", "-fno-strict-aliasing", "-Wall", "-Wno-unused-function"]
link = []
if sanitizers:
    flags += [f"-fsanitize={sanitizers}", "-fno-omit-frame-pointer", "-O1"]
    link += [f"-fsanitize={sanitizers}"]

HTTP2 = (
    "answer", "bridge", "conduct", "connection", "decision", "handover", "io_thread", "message",
    "request", "server", "suspension",
)  # fmt: skip
LIBRARIES = {
    **{name: ["nghttp2"] for name in HTTP2},
    "identity": ["crypto"],
    "program": ["re2"],
    "regex": ["re2"],
}

sources = sorted(glob("_fastpath/*.pyx"))
if os.environ.get("TOLLHOUSE_EXTENSIONS") == "none":
    sources = []

extensions = [
    Extension(
        f"_fastpath.{name}",
        [path],
        language="c++",
        depends=glob("_fastpath/*.hpp"),
        libraries=LIBRARIES.get(name, []),
        extra_compile_args=flags,
        extra_link_args=link,
    )
    for path in sources
    for name in [os.path.basename(path)[:-4]]
]

setup(
    ext_modules=cythonize(
        extensions,
        quiet="-q" in sys.argv,
        annotate=bool(os.environ.get("TOLLHOUSE_ANNOTATE")),
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "initializedcheck": False,
            "cdivision": True,
            "embedsignature": True,
        },
    ),
    options={"build_ext": {"parallel": len(os.sched_getaffinity(0))}},
)
