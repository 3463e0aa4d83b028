# syntax=docker/dockerfile:1
FROM python:3.12-slim AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/kvitto
WORKDIR /src
COPY requirements-image.lock ./
RUN /opt/kvitto/bin/pip install --require-hashes --no-deps --only-binary :all: --requirement requirements-image.lock
COPY pyproject.toml README.md ./
COPY budgets budgets
COPY queries queries
COPY service service
RUN /opt/kvitto/bin/pip install --no-deps --no-build-isolation .


FROM python:3.12-slim

# The service owns nothing but /data: the code belongs to root, and the root file system may be mounted read-only.
RUN groupadd --gid 10001 kvitto \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin kvitto \
    && install --directory --owner=10001 --group=10001 --mode=700 /data
COPY --from=build /opt/kvitto /opt/kvitto

# Machine code is compiled for the processor at hand, so its cache lives with the data and not in the image.
ENV PATH=/opt/kvitto/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/data/numba_cache \
    KVITTO_DATA_DIR=/data \
    KVITTO_HOST=0.0.0.0 \
    KVITTO_PORT=8000

USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8000
STOPSIGNAL SIGINT

HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['KVITTO_PORT'] + '/readyz', timeout=4)"]

ENTRYPOINT ["kvitto"]
CMD ["serve"]
