"""What builds an image that scores with one model, and nothing of ours in it but the model's own folder."""

PORT = 8080
USER_ID = 10001


def dockerfile(python: str) -> str:
    """A Dockerfile.

    Args:
        python: Major and minor version, such as ``3.11``.
    """
    return f"""\
# Scores with one model: POST /invocations, GET /ping. Installs what requirements.txt pins, and runs as nobody special.
FROM python:{python}-slim

ENV PYTHONDONTWRITEBYTECODE=1 \\
    PYTHONUNBUFFERED=1 \\
    MLFLOW_DISABLE_TELEMETRY=true \\
    HOME=/tmp

# The boosters' wheels need OpenMP.
# hadolint ignore=DL3008
RUN apt-get update \\
    && apt-get install --yes --no-install-recommends libgomp1 \\
    && rm -rf /var/lib/apt/lists/*

COPY requirements.txt /opt/requirements.txt
RUN pip install --no-cache-dir --requirement /opt/requirements.txt

COPY model /opt/model

USER {USER_ID}
WORKDIR /tmp
EXPOSE {PORT}
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \\
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{PORT}/ping', timeout=4)"]
CMD ["mlflow", "models", "serve", "--model-uri", "/opt/model", "--env-manager", "local", "--host", "0.0.0.0", \\
     "--port", "{PORT}"]
"""


def ignored() -> str:
    """A .dockerignore that lets in what the Dockerfile copies and nothing else."""
    return "*\n!requirements.txt\n!model\n"


def read_me(model_id: str, version_id: str) -> str:
    """How to build, run and ask."""
    image = f"{model_id}:{version_id}"
    return f"""\
# {model_id} {version_id}

    docker build --tag {image} .
    docker run --rm --read-only --tmpfs /tmp --cap-drop ALL --publish 127.0.0.1:{PORT}:{PORT} {image}
    curl http://127.0.0.1:{PORT}/invocations --json '{{"dataframe_records": [{{"column": "value"}}]}}'

`model/MLmodel` names the columns it takes. The server asks for no token: let only those reach it who may.
"""
