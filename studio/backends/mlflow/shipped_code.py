"""What a saved model needs beside its pickle: our own modules as source, everything else as pinned
requirements.

A model then loads where Model Studio is not installed.
"""

import ast
import functools
import importlib.util
import pickletools
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import BinaryIO, Final

_OWN: Final = "studio"
# What MLflow itself needs to load and call a scikit-learn model.
_ALWAYS: Final = ("mlflow", "cloudpickle", "numpy", "pandas", "sklearn")


@dataclass
class CodeNeeds:
    """What unpickling needs.

    Attributes:
        own: Files of our package by module name, with the packages they lie in.
        foreign: Top-level names of other packages.
    """

    own: dict[str, Path] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=lambda: set(_ALWAYS))


def code_needs(pickled: BinaryIO) -> CodeNeeds:
    """Modules a pickle refers to, and for those of our package everything they import, directly or not.

    Args:
        pickled: The pickle, read to its end and never executed.
    """
    needs = CodeNeeds()
    for module in _modules_named(pickled):
        _add(module, needs)
    return needs


def pinned_requirements(packages: Iterable[str]) -> list[str]:
    """``name==version`` of the installed distributions that provide these top-level packages, sorted."""
    providers = _distributions()
    names = {name for package in packages for name in providers.get(package, ())}
    return sorted(f"{name}=={metadata.version(name)}" for name in names)


def write_code(files: dict[str, Path], folder: Path) -> Path:
    """Copy our modules into a folder as an importable package and return the package's path."""
    for module, source in files.items():
        parts = module.split(".")
        is_package = source.name == "__init__.py"
        target = folder.joinpath(*parts, "__init__.py") if is_package else folder.joinpath(*parts).with_suffix(".py")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return folder / _OWN


def _modules_named(pickled: BinaryIO) -> set[str]:
    """Strings in the pickle that name loaded modules; every class in it was loaded to be pickled."""
    return {
        word
        for _, argument, _ in pickletools.genops(pickled)
        if isinstance(argument, str)
        for word in argument.split(" ", 1)[:1]
        if word in sys.modules
    }


def _add(module: str, needs: CodeNeeds) -> None:
    top = module.partition(".")[0]
    if top != _OWN:
        if top not in sys.stdlib_module_names:
            needs.foreign.add(top)
        return
    if module in needs.own:
        return
    source = _source_of(module)
    if source is None:
        return
    needs.own[module] = source
    parent = module.rpartition(".")[0]
    if parent:
        _add(parent, needs)
    for imported in _imports_of(module, source):
        _add(imported, needs)


def _source_of(module: str) -> Path | None:
    """The file of a module; None for a name in a package that is no module."""
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(found.origin) if found is not None and found.origin else None


def _imports_of(module: str, source: Path) -> Iterator[str]:
    package = module if source.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return {package: sorted(set(names)) for package, names in metadata.packages_distributions().items()}
