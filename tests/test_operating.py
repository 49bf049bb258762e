"""OPERATING.md tells of every setting, and the README's addresses and files are there."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from studio.config import Config

ROOT = Path(__file__).parent.parent
HEAD = "| setting | default | what it is |\n|---|---|---|\n"


def written(default: Any) -> str:
    """A default as one would write it into the environment."""
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, tuple):
        default = ",".join(default)
    if isinstance(default, bool):
        default = str(default).lower()
    return f"`{default}`" if default not in (None, "", Path()) else ""


def render_table() -> str:
    """The table of all settings, in their order."""
    rows = [
        f"| `STUDIO_{name.upper()}` | {written(field.default)} | {field.description} |\n"
        for name, field in Config.model_fields.items()
    ]
    return HEAD + "".join(rows)


def test_every_setting_is_in_the_table():
    text = (ROOT / "OPERATING.md").read_text()
    assert HEAD + text.partition(HEAD)[2] == render_table()


@pytest.mark.parametrize("name", ["README.md", "OPERATING.md"])
def test_settings_files_and_links_named_in_prose_are_there(name):
    text = (ROOT / name).read_text()
    known = {f"STUDIO_{field.upper()}" for field in Config.model_fields} | {"STUDIO_CONFIG"}
    known |= {"STUDIO_URL", "STUDIO_API_KEY", "STUDIO_"}  # of the script for CI, which is no part of the service
    assert set(re.findall(r"STUDIO_[A-Z0-9_]*", text)) <= known
    links = re.findall(r"\]\((?!http)([^)#]+)", text)
    files = re.findall(r"`((?:config|studio|tests)/[\w./-]+\.(?:py|toml|lock))`", text)
    assert [path for path in [*links, *files] if not (ROOT / path).exists()] == []
