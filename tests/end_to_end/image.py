"""Carries a Dockerfile out without a container engine: every stage in a copy of an empty Debian, by chroot.

It knows the instructions our Dockerfile uses and refuses others, so that none is passed over in silence.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGES = "python3.11,python3.11-venv,python3-pip,ca-certificates"
MIRROR = "http://deb.debian.org/debian"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"  # with whatever this machine trusts beyond Debian's own
# Where this machine's package clients look, which an engine would hand to a build too.
HANDED_ON = re.compile(r"(PIP|UV|SSL|HTTPS?|NO)_\w+|https?_proxy|no_proxy")
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
IGNORED = {"VOLUME", "EXPOSE"}
BUILDS_IMAGES = [  # marks of a file whose tests do
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may change the root folder"),
    pytest.mark.skipif(not shutil.which("debootstrap"), reason="debootstrap (Debian) is not installed"),
]


def make_base(folder: Path) -> None:
    """An empty Debian 12 with what the image python:3.11-slim-bookworm has of it: Python as ``python``, and pip."""
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(folder), MIRROR]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "usr/local/bin/python").symlink_to("/usr/bin/python3.11")
    (folder / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink()
    shutil.copy(CERTIFICATES, folder / CERTIFICATES[1:])
    shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")


def instructions(text: str) -> list[tuple[str, str]]:
    """Name and arguments of each instruction of a Dockerfile."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    found = [line.partition(" ") for line in lines.replace("\\\n", " ").splitlines() if line.strip()]
    return [(name, arguments.strip()) for name, _, arguments in found]


class Image:
    """One image being built.

    Attributes:
        root: Its file system.
        environment: What its processes see.
        command: What it runs, entry point and arguments.
        health_check: The command that tells whether it is well.
    """

    def __init__(self, base: Path, context: Path, folder: Path) -> None:
        self._base, self._context, self._folder = base, context, folder
        self._stages: dict[str, Path] = {}
        self.root, self.environment, self.command, self.health_check = folder, {}, [], []
        self._workdir, self._user, self._entry_point = "/", "0", []

    def build(self, dockerfile: str) -> "Image":
        """Carry out every instruction, in order."""
        for name, arguments in instructions(dockerfile):
            if name not in IGNORED:
                getattr(self, f"_do_{name.lower()}")(arguments)
        return self

    def inside(self, command: list[str], *, user: str | None = None, **more: str) -> list[str]:
        """The command line that runs a command in the image, with its own process tree and nothing else's."""
        root = str(self.root)
        environment = {"PATH": PATH, "HOME": self._home_of(user or self._user), **self.environment}
        enter = (
            'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && shift && '
            'root=$1 user=$2 folder=$3 && shift 3 && exec chroot --userspec="$user" "$root" '
            'sh -c \'cd "$1" && shift && exec "$@"\' sh "$folder" "$@"'
        )
        named = user or self._user
        spec = named if self._entry_of(named) else f"{named}:0"  # as an engine has it for a number without a name
        handed = [f"{name}={value}" for name, value in {**environment, **more}.items()]
        return [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", enter, "enter", root),
            *(root, spec, self._workdir, "env", "-i", *handed, *command),
        ]

    def _home_of(self, user: str) -> str:
        found = self._entry_of(user)
        return found[5] if found else "/"

    def _entry_of(self, user: str) -> list[str] | None:
        users = [line.split(":") for line in (self.root / "etc/passwd").read_text().splitlines()]
        return next((fields for fields in users if fields[2] == user), None)

    def _do_from(self, arguments: str) -> None:
        name = arguments.partition(" AS ")[2] or "last"
        self.root = self._stages[name] = self._folder / name
        subprocess.run(["cp", "-a", "--reflink=auto", str(self._base), str(self.root)], check=True)
        self.environment, self._workdir, self._user = {}, "/", "0"

    def _do_run(self, arguments: str) -> None:
        handed = {name: value for name, value in os.environ.items() if HANDED_ON.fullmatch(name)}
        done = subprocess.run(self.inside(["sh", "-c", arguments], **handed), capture_output=True, text=True)
        assert done.returncode == 0, f"RUN {arguments}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"

    def _do_env(self, arguments: str) -> None:
        for pair in shlex.split(arguments):
            name, _, value = pair.partition("=")
            self.environment[name] = value.replace("$PATH", PATH)

    def _do_workdir(self, arguments: str) -> None:
        self._workdir = arguments
        self._in_root(arguments).mkdir(parents=True, exist_ok=True)

    def _do_copy(self, arguments: str) -> None:
        *sources, target = shlex.split(arguments)
        place = self._context
        if sources[0].startswith("--from="):
            place = self._stages[sources.pop(0).removeprefix("--from=")]
        for source in sources:
            found, wanted = place / source.lstrip("/"), self._in_root(target)
            if found.is_dir():
                shutil.copytree(found, wanted, symlinks=True, dirs_exist_ok=True)
            else:
                folder = wanted if target.endswith("/") else wanted.parent
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, folder if target.endswith("/") else wanted)

    def _do_user(self, arguments: str) -> None:
        self._user = arguments

    def _do_healthcheck(self, arguments: str) -> None:
        self.health_check = json.loads(arguments[arguments.index("CMD") + 3 :])

    def _do_entrypoint(self, arguments: str) -> None:
        self._entry_point = json.loads(arguments)

    def _do_cmd(self, arguments: str) -> None:
        self.command = [*self._entry_point, *json.loads(arguments)]

    def _in_root(self, path: str) -> Path:
        return self.root / self._workdir.lstrip("/") / path if not path.startswith("/") else self.root / path[1:]
