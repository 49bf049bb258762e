"""The service's search beside FLAML and AutoGluon, on the same tables, splits, cores and seconds.

Each run is a process of its own: ours ``automl_run``, a peer's ``peer.py`` in that library's virtual environment, both
on the same 80/20 split. Peers' results are kept in ``--scores`` and taken from there the next time, ours are always
made anew; a library whose environment is not in ``--peers`` yet is installed there by uv. Runs never overlap. Scores
are ROC AUC, minus log loss or minus RMSE; errors, for the gaps, 1 - AUC, log loss and RMSE. A peer that fails or does
not end has no score there, is last in rank and loses; that is not kept. Ours has to end. Memory is the proportional
set size of a run's processes together, sampled; its ratio is to four times the table in memory and 1 GB.
"""

import argparse
import contextlib
import json
import math
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from studio.backends.execution.local_processes import THREAD_VARIABLES
from tests.benchmarks import automl_tables
from tests.benchmarks.figures import emit, show
from tests.benchmarks.service import temporary_folder

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
OURS = "studio"
PEERS = {
    "flaml": ("flaml", "flaml", ["flaml[automl]"]),
    "autogluon_medium": ("autogluon:medium_quality", "autogluon", ["autogluon.tabular[lightgbm,xgboost,catboost]"]),
    "autogluon_best": ("autogluon:best_quality", "autogluon", ["autogluon.tabular[lightgbm,xgboost,catboost]"]),
}
PYTHON = "3.11"
CORES = 2
PATIENCE = 5  # a run that takes so many times its budget, and a minute more, is ended
SAMPLE_S = 0.25
LARGE_TABLES = {"million"}  # measured when asked for, by time and memory


def main():
    """Run what is missing, compare, print."""
    options = read_options()
    runs = []
    for table in options.tables:
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            for system in options.systems:
                found = run_once(system, table, seed, options)
                runs.append(found)
                show({key: found[key] for key in ("system", "dataset", "seed", "score", "elapsed", "peak_mb")})
    emit("automl", {"seconds": options.seconds, **compare(runs, options)})


def read_options():
    """The command line's."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    usual = [name for name in automl_tables.NAMES if name not in LARGE_TABLES]
    parser.add_argument("--tables", nargs="+", choices=automl_tables.NAMES, default=usual)
    parser.add_argument("--systems", nargs="+", choices=[OURS, *PEERS], default=[OURS, *PEERS])
    parser.add_argument("--seeds", type=int, default=2, help="splits per table")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=60, help="budget of each run")
    parser.add_argument("--data", type=Path, default=SHARED / "data", help="folder of the CSV tables")
    parser.add_argument("--peer-script", type=Path, default=SHARED / "bench" / "peer.py")
    parser.add_argument("--peers", type=Path, default=ROOT / "build" / "peers", help="peers' virtual environments")
    parser.add_argument("--scores", type=Path, help="folder of peers' results to use and to add to")
    return parser.parse_args()


class RunFailed(Exception):
    """A run did not end well; the message is what it said last."""


def run_once(system, table, seed, options):
    """Result of one run, from the kept ones where there is one; without a score where a peer failed.

    Raises:
        RunFailed: Ours did.
    """
    kept = None if options.scores is None else options.scores / f"{system}-{table}-{options.seconds}-{seed}.json"
    if kept is not None and system != OURS and kept.exists():
        return json.loads(kept.read_text())
    with temporary_folder() as folder:
        given = [table, str(options.data), str(options.seconds), str(seed)]
        if system == OURS:
            command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.automl_run", *given]
        else:
            command = [*peer_command(system, folder, options), *given]
        try:
            found = measure(command, folder, PATIENCE * options.seconds + 60)
        except RunFailed as error:
            if system == OURS:
                raise
            show({"system": system, "dataset": table, "seed": seed, "failed": str(error)})
            found = {"dataset": table, "seed": seed, "score": None, "elapsed": None, "peak_mb": None}
    found |= {"system": system, "table_mb": round(table_mb(table, options.data), 1)}
    if kept is not None and found["score"] is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found) + "\n")
    return found


def peer_command(system, folder, options):
    """How a peer is started: its script beside a module that reads our tables."""
    name, environment, packages = PEERS[system]
    python = options.peers / environment / "bin" / "python"
    if not python.exists():
        uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        subprocess.run([uv, "venv", "--quiet", "--python", PYTHON, options.peers / environment], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *packages], check=True)
    shutil.copy(options.peer_script, folder / "peer.py")
    shutil.copy(automl_tables.__file__, folder / "datasets.py")
    return [str(python), "-W", "ignore", str(folder / "peer.py"), name]


def measure(command, folder, timeout_s):
    """Run a command on the comparison's cores; what it says last, and the most memory it held.

    Raises:
        RunFailed: It failed, or took too long.
    """
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    is_ours = command[0] == sys.executable
    more = dict.fromkeys(THREAD_VARIABLES, str(CORES)) if is_ours else {}  # as a run of the service is started
    with open(folder / "errors.txt", "wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=ROOT if is_ours else folder,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **more, "TMPDIR": str(folder)},
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
    watch = MemoryWatch(process.pid)
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        end_all(process.pid)
        raise RunFailed(f"{' '.join(command)} did not end within {timeout_s:.0f} s") from None
    finally:
        watch.stop()
    if process.returncode:
        last = (folder / "errors.txt").read_text(errors="replace")[-2000:]
        raise RunFailed(f"{' '.join(command)} failed: {last}")
    try:
        found = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        raise RunFailed(f"{' '.join(command)} printed no result") from None
    if found["score"] is None or not math.isfinite(found["score"]):
        raise RunFailed(f"{' '.join(command)} scored {found['score']}")
    return {**found, "peak_mb": round(watch.peak_mb, 1)}


def end_all(pid):
    """Kill a process and all it started, which would take the next run's cores."""
    root = psutil.Process(pid)
    for process in [*root.children(recursive=True), root]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    root.wait()


class MemoryWatch:
    """Samples the memory of a process and all it started."""

    def __init__(self, pid):
        self.peak_mb = 0.0
        self._root = psutil.Process(pid)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self):
        """End sampling."""
        self._is_over.set()
        self._thread.join()

    def _watch(self):
        while not self._is_over.wait(SAMPLE_S):
            self.peak_mb = max(self.peak_mb, self._held_mb())

    def _held_mb(self):
        total = 0
        try:
            for process in [self._root, *self._root.children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
        except psutil.Error:
            return 0.0
        return total / 2**20


def table_mb(name, data):
    """Size of a table as pandas holds it."""
    return automl_tables.load(name, data)[0].memory_usage(deep=True).sum() / 2**20


def compare(runs, options):
    """The figures of the comparison; ranks and wins where every system has run."""
    ours = [run for run in runs if run["system"] == OURS]
    by_case = {}
    for run in runs:
        by_case.setdefault((run["dataset"], run["seed"]), {})[run["system"]] = run["score"]
    figures = {"tables": len(options.tables), "seeds": options.seeds, "mean_rank": mean_ranks(by_case)}
    for system in options.systems:
        if system != OURS:
            figures[f"wins_vs_{system}"] = wins(by_case, system)
    gaps = {case: relative_gap(scores) for case, scores in by_case.items() if OURS in scores}
    if gaps and len(options.systems) > 1:
        worst = max(gaps, key=gaps.get)
        figures |= {"worst_relative_gap": gaps[worst], "worst_table": worst[0], "worst_seed": worst[1]}
    for run in ours:
        run["overrun"] = run["elapsed"] / options.seconds - 1
        run["memory_ratio"] = run["peak_mb"] / (4 * run["table_mb"] + 1024)
    figures["max_overrun"] = max((run["overrun"] for run in ours), default=None)
    figures["peak_memory_ratio"] = max((run["memory_ratio"] for run in ours), default=None)
    figures["failed"] = [f"{run['system']}: {run['dataset']}/{run['seed']}" for run in runs if run["score"] is None]
    figures["scores"] = {f"{table}/{seed}": scores for (table, seed), scores in by_case.items()}
    return figures


def mean_ranks(by_case):
    """Mean rank by system, 1 being the best; equal scores share theirs, and so do those that have none."""
    ranks = {}
    for scores in by_case.values():
        known = {system: -math.inf if score is None else score for system, score in scores.items()}
        for system, score in known.items():
            better = sum(other > score for other in known.values())
            equal = sum(other == score for other in known.values())
            ranks.setdefault(system, []).append(better + (equal + 1) / 2)
    return {system: round(sum(found) / len(found), 3) for system, found in ranks.items()}


def wins(by_case, system):
    """Share of table and seed pairs where ours is ahead of a peer or the peer failed; equal ones count half."""
    pairs = [(scores[OURS], scores[system]) for scores in by_case.values() if OURS in scores and system in scores]
    points = [1.0 if theirs is None or ours > theirs else 0.5 if ours == theirs else 0.0 for ours, theirs in pairs]
    return sum(points) / len(points) if points else None


def relative_gap(scores):
    """How much larger our error is than the smallest, as a share of that; 0 where ours is the smallest."""
    best, ours = max(score for score in scores.values() if score is not None), scores[OURS]
    offset = 1.0 if best > 0 else 0.0  # an AUC; losses are below 0
    return (offset - ours) / max(offset - best, 1e-9) - 1


if __name__ == "__main__":
    main()
