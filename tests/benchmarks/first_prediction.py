"""From a fresh clone to the first prediction: ``make demo ARGS=--exit``, with empty package caches and with full ones.

Measured: ``git clone`` of what is committed, then the demo's own lines as they come: setup ends when it begins to
speak, the service is ready when it says so, and the first predictions are there when it shows the table of five.
Cold is with empty caches of pip and uv, warm a second clone with what the first one left in them. Packages come from
where this machine's pip and uv are set to take them, so ``*_setup_seconds`` tells of that as well; the training may
take the demo's default budget, ``*_train_seconds``, and files stay in the page cache. There is no peer.
"""

import argparse
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.benchmarks.figures import emit, ratio, show
from tests.benchmarks.service import plain_environment, temporary_folder

ROOT = Path(__file__).resolve().parents[2]
# Figure: what ends it, as the beginning of a line of the demo without its rule.
MARKS = {
    "setup": "1  The service",
    "service": "ready at",
    "upload_and_profile": "4  Create a model",
    "create": "5  Train it",
    "train": "6  The candidates",
    "evaluate_and_promote": "9  Predict five rows",
    "predict": "10  The audit trail",
}


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--demo", default="--exit", help="arguments of the demo; --budget is its training time in s")
    options = parser.parse_args()
    figures = {}
    with temporary_folder() as folder:
        caches = {f"{name}_CACHE_DIR": str(folder / f"{name}-cache") for name in ("UV", "PIP")}
        environment = {**plain_environment(), **caches, "STUDIO_RUNTIME_FOLDER": str(folder / "run")}
        for name in ("cold", "warm"):
            stages = measure(folder / name, environment, options.demo)
            show({"clone": name, **stages})
            figures |= {f"{name}_seconds": sum(stages.values())}
            figures |= {f"{name}_{stage}_seconds": seconds for stage, seconds in stages.items()}
    emit("first_prediction", {**figures, "warm_ratio": ratio(figures["warm_seconds"], figures["cold_seconds"])})


def measure(clone, environment, demo):
    """Seconds of each stage of one fresh clone, which is removed at the end."""
    started = time.monotonic()
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)], check=True)
    cloned = time.monotonic()
    process = subprocess.Popen(
        ["make", "demo", f"ARGS={demo}"], cwd=clone, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        stages = {"clone": cloned - started, **watch(process, cloned)}
        if process.wait() != 0:
            raise SystemExit(f"make demo ended with {process.returncode}")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
        process.stdout.close()
        shutil.rmtree(clone)
    return stages


def watch(process, since):
    """Seconds between the marks of the demo's output."""
    stages, waiting, lines = {}, dict(MARKS), []
    for line in process.stdout:
        now = time.monotonic()
        lines.append(line)
        said = line.strip(" ─\n")
        for stage, mark in list(waiting.items()):
            if said.startswith(mark):
                stages[stage], since = now - since, now
                del waiting[stage]
    if waiting:
        raise SystemExit(f"the demo never came to {next(iter(waiting.values()))!r}:\n{''.join(lines[-30:])}")
    return stages


if __name__ == "__main__":
    main()
