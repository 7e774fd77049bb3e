# The gateway in an image: built from the pinned, hashed lists, run without root, writing to /data only.
# A registry of your own: docker build --build-arg BASE=registry.example/python:3.11-slim .
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY .ci/lock .ci/lock
# The build back end is pinned in the developers' list; with a part of it missing here, pip refuses.
RUN awk '/^[a-z]/ { keep = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } keep' \
        .ci/lock/dev.txt > .ci/lock/build.txt \
    && python -m venv /opt/build \
    && /opt/build/bin/python -m pip install --quiet --require-hashes --requirement .ci/lock/build.txt
RUN python -m venv /opt/gateway \
    && /opt/gateway/bin/python -m pip install --quiet --require-hashes \
        --requirement .ci/lock/run.txt --requirement .ci/lock/postgres.txt
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY mappings mappings
COPY conformance conformance
COPY certs certs
RUN /opt/build/bin/python -m hatchling build --target wheel --directory /src/dist \
    && /opt/gateway/bin/python -m pip install --quiet --no-index --no-deps dist/*.whl \
    && /opt/gateway/bin/gateway version \
    && /opt/gateway/bin/python -c "import gateway.journal.postgres"

FROM ${BASE}
RUN groupadd --gid 10001 gateway \
    && useradd --uid 10001 --gid gateway --no-create-home --home-dir /data \
        --shell /usr/sbin/nologin gateway \
    && install --directory --owner=gateway --group=gateway --mode=0700 /data \
    && install --directory /etc/gateway
COPY --from=build /opt/gateway /opt/gateway
# Nothing is written beside the code: the root file system may be read-only.
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HEALTH_URL=http://127.0.0.1:8080/health/ready
WORKDIR /data
VOLUME /data
EXPOSE 2575 8080
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(os.environ['HEALTH_URL'], timeout=3)"]
ENTRYPOINT ["gateway", "serve", "--config", "/etc/gateway/gateway.toml"]
