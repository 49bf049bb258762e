"""A thousand sockets that follow one run, while clients call the API: what they wait for, and what they cost others.

The whole service, as ``studio up`` starts it. A writer in a process of its own appends ten log messages a second to
a run as a run process would, each with the moment just before its transaction. Clients in another process read them:
some stop reading for good once they are let in, some leave at random and come back with ``after``. Meanwhile one
closed-loop client GETs a model; the same is measured first with the writer alone.

``event_delay_p99_ms`` is from that moment to the receipt, of messages written while the socket was open: the commit
and the clients' own work are in it. ``incomplete_clients`` counts readers that missed, repeated or reordered a message.
Everything shares this machine's cores. There is no peer: MLflow has no stream.
"""

import argparse
import json

import httpx

from tests.benchmarks.figures import emit, percentile, ratio
from tests.benchmarks.load import get_request, run_clients
from tests.benchmarks.service import studio_server, temporary_folder

WARM_UP_S = 1.5


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sockets", type=int, default=1000, help="those that read")
    parser.add_argument("--slow", type=int, default=5, help="sockets beside them that never read")
    parser.add_argument("--seconds", type=float, default=20, help="of writing, once without sockets and once with them")
    options = parser.parse_args()
    with temporary_folder() as folder:
        most = options.sockets + options.slow
        server = studio_server(folder, rate_limit_per_minute=100_000_000, sockets_per_caller=2 * most)
        with server.running():
            emit("stream", measure(server, options))


def measure(server, options):
    """Figures by name."""
    token = server.run("token", "create", "--lifetime", "86400")
    header = {"Authorization": f"Bearer {token}"}
    url = f"http://127.0.0.1:{server.port}/api/v1/models"
    body = {"name": "followed", "model_type": "auto", "task_type": "classification"}
    answer = httpx.post(url, json=body, headers=header, timeout=60, trust_env=False)
    model_id = answer.raise_for_status().json()["id"]
    request = get_request(server.port, f"/api/v1/models/{model_id}", **header)
    run_clients(server.port, [request], clients=4, seconds=WARM_UP_S)
    alone, _ = write_and_call(server, model_id, request, options.seconds)
    last = 2 * messages_in(options.seconds)
    clients = (server.port, model_id, token, options.sockets, options.slow, last)
    with server.beside("tests.benchmarks.stream_clients", *clients) as listening:
        if listening.stdout.readline() != "open\n":
            raise SystemExit("not every socket opened")
        crowded, written = write_and_call(server, model_id, request, options.seconds)
        heard = json.loads(listening.stdout.readline() or "null")
    if heard is None:
        raise SystemExit("the clients ended without figures")
    before, beside = (1000 * percentile(sample.latencies_s, 0.99) for sample in (alone, crowded))
    return {
        "sockets": options.sockets, "slow_sockets": options.slow, "events": written, **heard,
        "rest_p99_ms": beside, "rest_alone_p99_ms": before, "rest_p99_ratio": ratio(beside, before),
    }  # fmt: skip


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
