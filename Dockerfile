# Archivar as an image, for compose.yaml. Built with what requirements.lock says, hash by hash.
#
#   docker build -t archivar:local .                          fetches the embedder's weights too, checked by sha256
#   docker build --build-arg WEIGHTS=none -t archivar:local . without: mount them at /opt/archivar/models, read-only

FROM python:3.11.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
RUN python -m venv /opt/archivar/venv
COPY requirements.lock ./
RUN /opt/archivar/venv/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY rag ./rag
COPY connectors ./connectors
RUN /opt/archivar/venv/bin/pip install --no-build-isolation --no-deps .

FROM build AS weights
ARG WEIGHTS="e5-small"
RUN mkdir -p /opt/archivar/models \
    && if [ "$WEIGHTS" != none ]; then \
        RAG_HOME=/tmp/home RAG_MODELS=/opt/archivar/models /opt/archivar/venv/bin/rag models fetch $WEIGHTS; fi \
    && chmod -R a+rX,go-w /opt/archivar/models

FROM python:3.11.13-slim-bookworm
RUN apt-get update -q \
    && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        libgomp1 tesseract-ocr tesseract-ocr-deu \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 archivar \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/archivar --shell /usr/sbin/nologin --no-create-home archivar \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/archivar /backup \
    && install -d -m 0755 /documents /etc/archivar
COPY --from=build /opt/archivar/venv /opt/archivar/venv
COPY --from=weights /opt/archivar/models /opt/archivar/models
COPY deploy/healthz.py /usr/local/lib/archivar/healthz.py
ENV PATH=/opt/archivar/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RAG_HOME=/var/lib/archivar \
    RAG_MODELS=/opt/archivar/models
LABEL org.opencontainers.image.title="Archivar" \
      org.opencontainers.image.description="Ask your company's documents; nothing leaves the building." \
      org.opencontainers.image.licenses="Apache-2.0"
USER 10001:10001
WORKDIR /var/lib/archivar
VOLUME /var/lib/archivar
EXPOSE 8088
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --retries=4 --start-period=60s \
    CMD ["python", "/usr/local/lib/archivar/healthz.py"]
ENTRYPOINT ["rag"]
CMD ["serve"]
