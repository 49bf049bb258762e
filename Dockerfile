# The whole service in one container: docker run -p 8321:8321 -v studio:/var/lib/model-studio model-studio
# Its parts alone: `api` or `worker` as the command, with STUDIO_DATABASE_URL and STUDIO_ARTIFACT_ROOT set;
# `db upgrade` once before. A worker answers no health check: run it with --no-healthcheck.

FROM python:3.11-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.9
ENV VIRTUAL_ENV=/opt/venv UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1
RUN uv venv /opt/venv
WORKDIR /opt/model-studio
# What the package needs to run, in the versions of the lock file, each file checked against its hash there.
COPY setup.cfg pyproject.toml README.md ./
COPY studio/__init__.py studio/version.py studio/
COPY config/requirements.lock config/
RUN uv pip install --verify-hashes --constraints config/requirements.lock -r setup.cfg setuptools
COPY config config
COPY studio studio
COPY wsgi.py LICENSE ./
RUN uv pip install --no-deps --no-build-isolation --editable . && python -m compileall -q studio

FROM python:3.11-slim-bookworm
# libgomp: LightGBM and XGBoost. bubblewrap: confines other people's code. tini: reaps what orphans leave.
# fonts-droid-fallback: Chinese and Japanese names in charts.
# hadolint ignore=DL3008  # a pinned Debian version is gone with the next security update
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap fonts-droid-fallback libgomp1 tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home studio \
    && install -d -o studio -g studio /var/lib/model-studio
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/model-studio /opt/model-studio
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STUDIO_HOST=0.0.0.0 \
    STUDIO_DATA_FOLDER=/var/lib/model-studio
USER 10001
WORKDIR /var/lib/model-studio
VOLUME /var/lib/model-studio
EXPOSE 8321
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ.get(\"STUDIO_PORT\", 8321)}/readyz', timeout=8)"]
ENTRYPOINT ["tini", "--", "studio"]
CMD ["up", "--log-to-stderr"]
