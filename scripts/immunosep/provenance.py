"""Fingerprints of the library's code, so that a change reruns the rules that use it and no others.

Snakemake reruns a rule when its script changes, not when a module the script imports changes. Each Python rule
therefore carries the fingerprint of its modules as a parameter. What is hashed is the parsed code without comments and
docstrings: rewording a comment reruns nothing.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "immunosep"
PACKAGE_ROOT = Path(__file__).resolve().parent


def code_fingerprint(*modules: str) -> str:
    """Hash the code of modules and of every module of the package that they import, directly or through another.

    Parameters
    ----------
    modules
        Dotted names inside the package, such as ``immunosep.rna``. A package stands for its ``__init__`` and all
        modules below it.

    Returns
    -------
    str
        Twelve hexadecimal digits.

    Raises
    ------
    ModuleNotFoundError
        When a name is no module of the package.
    """
    seen: set[str] = set()
    queue = [name for module in modules for name in _expand(module)]
    while queue:
        name = queue.pop()
        if name not in seen:
            seen.add(name)
            queue.extend(_imports(name))
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(f"{name}\0{_normalised_code(name)}\0".encode())
    return digest.hexdigest()[:12]


def _path(module: str) -> Path | None:
    """Return the file of a module of the package, or None when there is none."""
    parts = module.split(".")
    if parts[0] != PACKAGE:
        return None
    base = PACKAGE_ROOT.joinpath(*parts[1:])
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _expand(module: str) -> list[str]:
    """List a module, and for a package all modules below it."""
    path = _path(module)
    if path is None:
        raise ModuleNotFoundError(f"{module} is not a module of {PACKAGE}")
    if path.name != "__init__.py":
        return [module]
    below = sorted(p.relative_to(path.parent) for p in path.parent.rglob("*.py") if p != path)
    names = (".".join((module, *p.with_suffix("").parts)).removesuffix(".__init__") for p in below)
    return [module, *names]


@cache
def _tree(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise ModuleNotFoundError(module)
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(module: str) -> tuple[str, ...]:
    """List the modules of the package that a module imports anywhere in its code, function bodies included."""
    found: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # `from immunosep.simulate import design` names a module; `from immunosep.io import read_table` does not.
            base = node.module or ""
            if node.level:
                raise ValueError(f"{module}: relative imports are not used in this package")
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return tuple(sorted(name for name in found if _path(name) is not None))


@cache
def _normalised_code(module: str) -> str:
    """Dump a module's syntax tree without docstrings."""
    tree = ast.parse(ast.unparse(_tree(module)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:]
    return ast.dump(tree)
