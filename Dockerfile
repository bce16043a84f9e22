# syntax=docker/dockerfile:1
# The image of the API and of workers alike: what it runs is the command.
# docs/how-to/deploy.md says how to use it.

FROM python:3.11.14-slim-bookworm AS build

ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/opt/foretell \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /build
RUN pip install --no-cache-dir uv==0.13.9

# Dependencies first: they change less often than the code.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-cache --no-dev --no-install-project \
    --extra postgres --extra redis --extra celery

COPY README.md LICENSE ./
COPY src ./src
RUN uv sync --frozen --no-cache --no-dev --no-editable \
    --extra postgres --extra redis --extra celery


FROM python:3.11.14-slim-bookworm

RUN groupadd --gid 10001 foretell \
    && useradd --uid 10001 --gid foretell --home-dir /data --no-create-home \
       --shell /usr/sbin/nologin foretell \
    && install --directory --owner foretell --group foretell --mode 0700 /data
COPY --from=build /opt/foretell /opt/foretell

ENV PATH=/opt/foretell/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FORETELL_DATA_DIR=/data \
    FORETELL_HOST=0.0.0.0 \
    FORETELL_LOG_FORMAT=json
WORKDIR /data
USER 10001:10001
VOLUME /data
EXPOSE 8000

# Of the API; a worker answers nothing, so compose.yaml gives it another one.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]

STOPSIGNAL SIGTERM
ENTRYPOINT ["foretell"]
CMD ["serve"]
