"""Rules of the house that the import linter cannot say."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "studio").rglob("*.py"))
ROOMS = sorted(path.parent for path in (ROOT / "studio").glob("*/views.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_file_can_be_read_in_one_go(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", [path for path in SOURCES if "migrations" not in path.parts], ids=relative)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            assert (node.end_lineno or 0) - first.lineno < 40, f"{node.name} in line {node.lineno}"


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("mlflow", "studio/backends/mlflow/"),
        ("optuna", "studio/automl/search.py"),
        ("boto3", "studio/backends/files/"),
        ("zmq", "studio/backends/serving/"),
    ],
)
def test_a_library_is_named_only_in_its_adapter(library: str, home: str) -> None:
    users = [
        relative(path)
        for path in SOURCES
        if any(name == library or name.startswith(f"{library}.") for name in imported(path))
    ]
    assert users
    assert [user for user in users if not user.startswith(home)] == []


def test_the_environment_is_read_in_one_place() -> None:
    readers = [relative(path) for path in SOURCES if re.search(r"os\.(environ|getenv)", path.read_text())]
    assert readers == ["studio/config.py"]


def test_only_the_database_commits() -> None:
    committers = [relative(path) for path in SOURCES if ".commit()" in path.read_text()]
    assert [path for path in committers if not path.startswith("studio/db/")] == []


def test_rooms_meet_at_services() -> None:
    names = {room.name for room in ROOMS} | {"collaborators", "organizations"}
    wrong = []
    for path in SOURCES:
        parts = path.relative_to(ROOT / "studio").parts
        if parts[0] not in names:
            continue
        for name in imported(path):
            found = re.match(r"studio\.(\w+)\.(\w+)", name)
            if found and found[1] in names and found[1] != parts[0] and found[2] != "service":
                wrong.append(f"{relative(path)}: {name}")
    assert wrong == []


def test_every_error_has_a_status() -> None:
    from studio import errors
    from studio.web.errors import STATUS_OF, status_of

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.StudioError)]
    for kind in kinds:
        if kind is not errors.StudioError:
            assert status_of(kind.__new__(kind)) in STATUS_OF.values()
            assert any(base in STATUS_OF for base in kind.__mro__), f"{kind.__name__} has no status"


def test_every_package_says_what_it_is_for() -> None:
    silent = [
        relative(path)
        for path in SOURCES
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []
