"""Builds the extensions that only these tests need, once per session."""

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = Path(__file__).resolve().parent / "native"


def build(name: str, libraries: list[str], into: Path) -> None:
    """Compile native/`name`.pyx against this tree's core; import it with `into` on the path."""
    script = f"""
        from Cython.Build import cythonize
        from setuptools import Extension, setup

        setup(ext_modules=cythonize(
            [Extension({name!r}, [{str(SOURCES / (name + ".pyx"))!r}], language="c++",
                       include_dirs=[{str(ROOT / "_fastpath")!r}], libraries={libraries!r},
                       extra_compile_args=["-std=c++17", "-O1", "-fno-strict-aliasing"])],
            include_path=[{str(ROOT)!r}], build_dir={str(into)!r},
            compiler_directives={{"language_level": 3}}))
    """
    done = subprocess.run(
        [
            *(sys.executable, "-c", textwrap.dedent(script), "-q", "build_ext"),
            *("--build-lib", str(into), "--build-temp", str(into)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
