"""The servers of the serving benchmark, each as its users start it at its best, and what a caller sends each."""

import os
import subprocess
from pathlib import Path

import orjson

from tests.benchmarks.load import Connection
from tests.benchmarks.service import Server, free_port, plain_environment

ROOT = Path(__file__).resolve().parents[2]
MLSERVER = ["mlserver==1.7.1", "mlserver-mlflow==1.7.1", "uvloop<0.22"]  # with a later uvloop its workers do not start
WORKERS = 2
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
MLFLOW_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ENABLE_DB_SDK": "false"}
SECRET = "0" * 64


def post_request(port, path, body, **headers):
    """A POST of JSON as it goes over the wire."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(content)}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


def mlflow_serving(model_folder, folder):
    """``mlflow models serve`` with two workers of one thread."""
    port = free_port()
    command = [str(ROOT / ".venv/bin/mlflow"), "models", "serve", "--model-uri", str(model_folder), "--port", str(port)]
    command += ["--env-manager", "local", "--workers", str(WORKERS)]
    server = Server("mlflow", command, port=port, ready_path="/ping", folder=folder, **ONE_THREAD, **MLFLOW_QUIET)
    server._environment["PATH"] = f"{ROOT / '.venv/bin'}:{server._environment['PATH']}"  # it starts uvicorn by name
    return server, lambda rows: post_request(port, "/invocations", {"dataframe_records": rows})


def mlserver_serving(model_folder, folder, environment_folder):
    """MLServer with two workers of one thread and adaptive batching, in a virtual environment of its own."""
    python = install_mlserver(environment_folder)
    port = free_port()
    settings = {
        "host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port(),
        "parallel_workers": WORKERS, "debug": False,
    }  # fmt: skip
    model = {
        "name": "model", "implementation": "mlserver_mlflow.MLflowRuntime", "max_batch_size": 64,
        "max_batch_time": 0.002, "parameters": {"uri": str(model_folder)},
    }  # fmt: skip
    own = folder / "mlserver"
    own.mkdir()
    (own / "settings.json").write_bytes(orjson.dumps(settings))
    (own / "model-settings.json").write_bytes(orjson.dumps(model))
    command = [str(python.parent / "mlserver"), "start", str(own)]
    server = Server("mlserver", command, port=port, ready_path="/v2/models/model/ready", folder=folder, **ONE_THREAD)
    return server, lambda rows: post_request(port, "/v2/models/model/infer", tensors_of(rows))


def tensors_of(rows):
    """Rows in MLServer's form of a data frame."""
    inputs = []
    for name in rows[0]:
        cells = [row[name] for row in rows]
        is_text = any(isinstance(cell, str) for cell in cells)
        kind = "BYTES" if is_text else "FP64" if any(isinstance(cell, float) for cell in cells) else "INT64"
        inputs.append({
            "name": name, "shape": [len(cells), 1], "datatype": kind, "data": cells,
            "parameters": {"content_type": "str"} if is_text else {},
        })  # fmt: skip
    return {"inputs": inputs, "parameters": {"content_type": "pd"}}


def install_mlserver(folder):
    """Its Python, with the libraries of our models in the very versions that made them."""
    python = folder / "venv/bin/python"
    uv = str(ROOT / ".venv/bin/uv")
    environment = {**os.environ, "VIRTUAL_ENV": str(folder / "venv")}
    if not (folder / "ready").exists():
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", "3.11", str(folder / "venv")], check=True)
        pinned = [
            line.split(" ")[0]
            for line in (ROOT / "config/requirements.lock").read_text().splitlines()
            if line.startswith(("lightgbm==", "xgboost-cpu==", "scikit-learn==", "numpy==", "mlflow=="))
        ]
        subprocess.run([uv, "pip", "install", "--quiet", *MLSERVER, *pinned], env=environment, check=True)
        (folder / "ready").touch()
    return python


def ceiling_serving(folder, *, threads):
    """The route that only checks the token and echoes, on the gunicorn of ours; its callers need a token of theirs."""
    port = free_port()
    command = [
        str(ROOT / ".venv/bin/gunicorn"), "--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS),
        "--threads", str(threads), "--worker-class", "studio.web.server.DrainingWorker", "--keep-alive", "30",
        "--no-control-socket",
        "tests.benchmarks.ceiling:app",
    ]  # fmt: skip
    environment = {"CEILING_SECRET": SECRET, "CEILING_AUDIENCE": "ceiling", "CEILING_ISSUER": "ceiling"}
    server = Server(
        "ceiling", command, port=port, ready_path="/ready", folder=folder, PYTHONPATH=str(ROOT), **environment
    )
    token = ceiling_token(environment)
    return server, lambda rows: post_request(port, "/echo", {"inputs": rows}, Authorization=f"Bearer {token}")


def ceiling_token(environment):
    """A token that the route takes."""
    code = (
        "from tests.benchmarks.ceiling import app\n"
        "from flask_jwt_extended import create_access_token\n"
        "with app.app_context():\n"
        "    app.config['JWT_ENCODE_AUDIENCE'] = app.config['JWT_ENCODE_ISSUER'] = 'ceiling'\n"
        "    app.config['JWT_ACCESS_TOKEN_EXPIRES'] = False\n"
        "    print(create_access_token('me'))\n"
    )
    environment = {**plain_environment(), **environment, "PYTHONPATH": str(ROOT)}
    command = [str(ROOT / ".venv/bin/python"), "-c", code]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def check_answers(server, request):
    """Raises ConnectionError unless the server answers."""
    connection = Connection(server.port)
    answer = connection.call(request)
    connection.close()
    return orjson.loads(answer)
