"""How long ``studio up`` takes until /readyz answers 200, and what memory it holds, beside ``mlflow server``.

Compared: the time from the start of the command to the first 200, on a fresh folder (tables are made) and on the
same folder again (warm); MLflow's is the time until it answers from its tables. The two take turns, each alone.
Memory is read 10 s after ready: ``*_pss_mb`` counts pages that processes share once (PSS), ``*_rss_mb`` in each of
them; ``settled_*`` is read once more later, when the worker has loaded what model hosts need. Not compared: what
they do once they run (ours also trains and serves models), and cold files: after the first start everything
is in the page cache.
"""

import argparse
import time

from tests.benchmarks.figures import emit, median, ratio, show
from tests.benchmarks.service import mlflow_server, studio_server, temporary_folder

SERVERS = {"studio": studio_server, "mlflow": mlflow_server}


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="fresh folders for each")
    parser.add_argument("--rest", type=float, default=10, help="seconds between ready and the look at the memory")
    parser.add_argument("--settle", type=float, default=40, help="seconds to the second look, in the last round")
    options = parser.parse_args()
    found = {name: [] for name in SERVERS}
    for number in range(options.rounds):
        settle = options.settle if number == options.rounds - 1 else None
        for name, make in SERVERS.items():
            found[name].append(measure(make, options.rest, settle))
            show({"server": name, **found[name][-1]})
    emit("start", figures_of(found))


def measure(make, rest_s, settle_s):
    """One fresh folder: first start, memory, second start."""
    with temporary_folder() as folder:
        server = make(folder)
        with server.running() as ready_s:
            ready_at = time.monotonic()
            time.sleep(rest_s)
            memory = server.memory()
            settled = {}
            if settle_s is not None:
                time.sleep(max(0.0, ready_at + settle_s - time.monotonic()))
                settled = {f"settled_{name}": value for name, value in server.memory().items()}
        with server.running() as warm_s:
            pass
    return {"ready_seconds": ready_s, "warm_ready_seconds": warm_s, **memory, **settled}


def figures_of(found):
    """Medians of ours, of MLflow's, and ratios."""
    medians = {
        name: {key: median([round_[key] for round_ in rounds if key in round_]) for key in rounds[-1]}
        for name, rounds in found.items()
    }
    ours, theirs = medians["studio"], medians["mlflow"]
    return {
        **ours,
        **{f"mlflow_{key}": value for key, value in theirs.items()},
        **{f"{key}_ratio": ratio(ours[key], theirs[key]) for key in ("ready_seconds", "warm_ready_seconds", "pss_mb")},
        "all_ready_seconds": [round_["ready_seconds"] for round_ in found["studio"]],
        "all_warm_ready_seconds": [round_["warm_ready_seconds"] for round_ in found["studio"]],
        "memory_is": "rss_mb sums RSS, shared pages in every process; pss_mb counts them once",
    }


if __name__ == "__main__":
    main()
