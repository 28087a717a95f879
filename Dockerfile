# syntax=docker/dockerfile:1
# Two stages: the first installs the locked, hash-checked packages and the project; the second only carries the result.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/socle
COPY requirements.lock ./
RUN /opt/socle/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY docs/errors.md ./docs/
COPY gateway ./gateway
COPY connectors ./connectors
COPY mocks ./mocks
COPY loadtests ./loadtests
RUN /opt/socle/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin socle \
 && install -d -o socle -g socle -m 0700 /data
COPY --from=build /opt/socle /opt/socle
ENV PATH=/opt/socle/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SOCLE_DATA=/data \
    # A container's loopback is reachable by nobody: this image listens on every interface of the container, and says so.
    SOCLE_BIND=0.0.0.0
USER socle
VOLUME /data
EXPOSE 8080 8440 8441 8442 8443 8444 8445 8587 9100
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["socle", "up"]
