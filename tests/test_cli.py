"""The commands that start no service."""

import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server

from studio.cli import COMMANDS, studio
from studio.version import VERSION

HEAVY = ("mlflow", "pandas", "sklearn", "flask", "sqlalchemy", "rich")


@pytest.fixture
def run(tmp_path):
    runner = CliRunner(
        env={"STUDIO_DATA_FOLDER": str(tmp_path), "STUDIO_RUNTIME_FOLDER": str(tmp_path), "STUDIO_PORT": "9"}
    )
    return lambda *arguments: runner.invoke(studio, arguments)


def test_help_names_every_command_and_imports_nothing_heavy():
    code = (
        "import sys; from studio.cli import studio; studio(['--help'], standalone_mode=False);"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "[]"
    assert all(f"  {name} " in output for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"worker", "demo"}))  # those import MLflow and more
def test_every_command_has_help(run, name):
    result = run(name, "--help")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Usage:")


def test_an_unknown_command(run):
    result = run("uup")
    assert result.exit_code == 2
    assert "No such command" in result.output


def test_version(run):
    assert run("version").output.strip() == VERSION
    assert VERSION in run("--version").output


def test_a_token_of_the_command_line_is_accepted(app, config, tmp_path):
    runner = CliRunner(
        env={
            "STUDIO_DATA_FOLDER": str(tmp_path),
            "STUDIO_SIGNING_SECRET": config.signing_secret.get_secret_value(),
        }
    )

    def call(*arguments):
        result = runner.invoke(studio, ["token", "create", *arguments])
        assert result.exit_code == 0, result.output
        header = {"Authorization": f"Bearer {result.stdout.strip()}"}
        return app.test_client().get("/api/v1/models/audit-logs", headers=header)

    assert call().status_code == 200  # and makes the caller a member, which the next call sees
    assert call().json["results"][0]["details"]["email"] == "admin@localhost"
    assert call("--org", "acme", "--user", "ada", "--email", "ada@example.org").json["results"] == []
    assert call("--permissions", "model:read,dataset:read").status_code == 403
    assert call("--role", "organization:viewer").status_code == 403


def test_a_token_says_which_service_it_is_for(run, tmp_path):
    first, second = run("token", "create"), run("token", "create")
    assert all(len(made.stdout.split()) == 1 for made in (first, second))
    assert all(f"data folder {tmp_path}." in made.stderr for made in (first, second))
    assert ("No service has run there yet" in first.stderr, len(second.stderr.splitlines())) == (True, 1)


@pytest.mark.parametrize("is_right", [True, False])
def test_a_service_that_would_refuse_a_token_is_told(app, config, tmp_path, is_right):
    secret = config.signing_secret.get_secret_value() if is_right else "another secret of thirty-two bytes or more"
    server = make_server("127.0.0.1", 0, app)
    answering = threading.Thread(target=server.handle_request)
    answering.start()
    environment = {
        "STUDIO_DATA_FOLDER": str(tmp_path),
        "STUDIO_SIGNING_SECRET": secret,
        "STUDIO_PORT": str(server.server_port),
    }
    result = CliRunner(env=environment).invoke(studio, ["token", "create"])
    answering.join()
    server.server_close()
    assert result.exit_code == 0, result.output
    assert (f"the service at http://127.0.0.1:{server.server_port} refuses it" in result.stderr) is not is_right


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--org", "Not a slug"], "--org"),
        (["--permissions", "model:fly"], "model:fly"),
        (["--user", ""], "--user"),
        (["--role", "owner"], "--role"),
    ],
)
def test_a_token_that_would_be_refused_is_not_made(run, arguments, named):
    result = run("token", "create", *arguments)
    assert result.exit_code == 2
    assert named in result.output


def test_no_token_where_own_tokens_are_not_taken(run, monkeypatch):
    monkeypatch.setenv("STUDIO_TOKEN_ALGORITHMS", "RS256")
    monkeypatch.setenv("STUDIO_TOKEN_JWKS_URL", "https://login.example.org/keys")
    result = run("token", "create")
    assert result.exit_code == 1
    assert "HS256" in result.output


def test_a_wrong_setting_is_told_in_one_line(tmp_path):
    command = [sys.executable, "-m", "studio.cli", "up"]
    env = {"STUDIO_DATA_FOLDER": str(tmp_path), "STUDIO_PORT": "many", "PATH": "/usr/bin:/bin"}
    result = subprocess.run(command, env=env, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("studio: STUDIO_PORT")
    assert len(result.stderr.splitlines()) == 1
