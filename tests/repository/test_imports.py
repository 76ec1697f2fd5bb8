"""The direction of imports, for the files import-linter cannot read."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"_fastpath", "expressions", "ratelimit", "authz", "policy", "tollhouse", "protos"}
CORE = sorted((ROOT / "_fastpath").rglob("*.p[yx]*"))
CYTHON = [path for path in CORE if path.suffix in {".pyx", ".pxd"}]
MODULES = [path for path in CORE if path.suffix == ".pyx"]
PYTHON = [path for path in CORE if path.suffix in {".py", ".pyi"}]
CYTHON_IMPORT = re.compile(
    r"^\s*(?:from\s+([\w.]+)\s+c?import\b|c?import\s+([\w.]+))", re.MULTILINE
)
C_LIBRARIES = {"libc", "libcpp", "posix", "cpython", "cython"}


def cython_imports(text: str) -> set[str]:
    return {(a or b).split(".")[0] for a, b in CYTHON_IMPORT.findall(text)}


def python_imports(text: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("path", CYTHON, ids=lambda path: path.name)
def test_cython_core_imports_only_c_libraries(path: Path) -> None:
    allowed = C_LIBRARIES | {"_fastpath"} | set(sys.stdlib_module_names)
    assert cython_imports(path.read_text()) <= allowed


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.name)
def test_python_core_imports_only_stdlib(path: Path) -> None:
    assert python_imports(path.read_text()) <= {"_fastpath"} | set(sys.stdlib_module_names)


@pytest.mark.parametrize("name", sorted(OURS - {"tollhouse"}))
def test_packages_do_not_import_program(name: str) -> None:
    for path in (ROOT / name).rglob("*.py"):
        assert "tollhouse" not in python_imports(path.read_text()), path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_compiled_module_has_a_stub(path: Path) -> None:
    """Without one mypy takes whatever it holds for Any."""
    assert path.with_suffix(".pyi").is_file()
