"""A thousand sockets that follow one run, while a client calls the API: what they wait for, and what they cost others.

The whole service, as ``studio up`` starts it. A writer in a process of its own appends ten log messages a second to
a run as a run process would, each with the moment just before its transaction. The sockets, of 25 callers, are all in
one other process (``stream_clients``): a tenth of them leave at random and come back with ``after``, and a few that
never read stand beside them. Meanwhile one closed-loop client GETs a model. Each round measures that first with the
writer alone, then with the sockets, and gives the ratio of the two; the figures are medians over the rounds.

``event_delay_p99_ms`` is from that moment to the receipt, of messages written while the socket was open: the commit
and the clients' own work are in it. ``event_delay_p99_at_drops_ms`` is the same in the seconds in which those that
never read are dropped, ``slow_dropped`` how many of them were told 4408. ``incomplete_clients`` counts readers that
missed, repeated or reordered a message, in all rounds. Everything shares this machine's cores, so the clients do as
little as they can: each frame is taken apart, and its JSON parsed once for all sockets. There is no peer: MLflow has
no stream.
"""

import argparse
import json
from statistics import median

import httpx

from tests.benchmarks.figures import emit, percentile, ratio, show
from tests.benchmarks.load import get_request, run_clients
from tests.benchmarks.service import studio_server, temporary_folder

WARM_UP_S = 1.5
CALLERS = 25
SUMMED = ("incomplete_clients", "reconnects")


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sockets", type=int, default=1000, help="those that read")
    parser.add_argument("--slow", type=int, default=5, help="sockets beside them that never read")
    parser.add_argument("--seconds", type=float, default=40, help="of writing to them; half of it without them")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with temporary_folder() as folder:
        server = studio_server(folder, rate_limit_per_minute=100_000_000)
        with server.running():
            emit("stream", measure(server, options))


def measure(server, options):
    """Figures by name."""
    tokens = [server.run("token", "create", "--user", f"user-{number}", "--lifetime", "86400") for number in callers()]
    header = {"Authorization": f"Bearer {tokens[0]}"}
    url = f"http://127.0.0.1:{server.port}/api/v1/models"
    body = {"name": "followed", "model_type": "auto", "task_type": "classification"}
    answer = httpx.post(url, json=body, headers=header, timeout=60, trust_env=False)
    model_id = answer.raise_for_status().json()["id"]
    request = get_request(server.port, f"/api/v1/models/{model_id}", **header)
    run_clients(server.port, [request], clients=4, seconds=WARM_UP_S)
    rounds, written = [], 0
    for _ in range(options.rounds):
        figures, written = measure_round(server, options, tokens, model_id, request, written)
        show(figures)
        rounds.append(figures)
    middle = {name: (sum if name in SUMMED else median)([each[name] for each in rounds]) for name in rounds[0]}
    return {"rounds": options.rounds, "sockets": options.sockets, "slow_sockets": options.slow, **middle}


def callers():
    """Numbers of those who listen: each may have 50 sockets."""
    return range(CALLERS)


def measure_round(server, options, tokens, model_id, request, written):
    """Figures of one round by name, and how many messages the run has then."""
    alone, count = write_and_call(server, model_id, request, options.seconds / 2)
    first = written + count
    last = first + messages_in(options.seconds)
    clients = (server.port, model_id, options.sockets, options.slow, first, last, *tokens)
    with server.beside("tests.benchmarks.stream_clients", *clients) as listening:
        if listening.stdout.readline() != "open\n":
            raise SystemExit("not every socket opened")
        crowded, _ = write_and_call(server, model_id, request, options.seconds)
        heard = json.loads(listening.stdout.readline() or "null")
    if heard is None:
        raise SystemExit("the clients ended without figures")
    before, beside = (1000 * percentile(sample.latencies_s, 0.99) for sample in (alone, crowded))
    rest = {
        "rest_p50_ms": 1000 * percentile(crowded.latencies_s, 0.5), "rest_p99_ms": beside,
        "rest_alone_p50_ms": 1000 * percentile(alone.latencies_s, 0.5), "rest_alone_p99_ms": before,
        "rest_p99_ratio": ratio(beside, before),
    }  # fmt: skip
    return heard | rest, last


def messages_in(seconds):
    """How many messages are written in so many seconds."""
    return int(10 * seconds)


def write_and_call(server, model_id, request, seconds):
    """Call while a writer writes: the sample, and how many messages were written."""
    with server.beside("tests.benchmarks.stream_writer", model_id, messages_in(seconds)) as writer:
        if writer.stdout.readline() != "ready\n":
            raise SystemExit("the writer did not start")
        sample = run_clients(server.port, [request], clients=1, seconds=seconds)
        return sample, int(writer.stdout.readline())


if __name__ == "__main__":
    main()
