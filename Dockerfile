# Waystation in one image: every part of the hub is this image with another command.
# Plain Dockerfile syntax only, so that engine 20.10 and its classic builder can make it.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS packages
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/waystation
COPY requirements.lock ./
# A mirror, where there is one: docker compose build --build-arg PIP_INDEX_URL=…
ARG PIP_INDEX_URL
ARG PIP_CERT=/etc/ssl/certs/ca-certificates.crt
RUN python3 -m venv .venv \
    && .venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-compile \
        --require-hashes --only-binary :all: -r requirements.lock \
    && .venv/bin/python -m pip uninstall -y --quiet uv setuptools \
    && .venv/bin/python -m pip uninstall -y --quiet pip \
    && .venv/bin/python -m compileall -q -j 0 .venv/lib

FROM ${BASE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 waystation \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/waystation --no-create-home waystation \
    && install -d -o waystation -g waystation -m 700 /var/waystation /var/waystation-parts/broker \
        /var/waystation-parts/gateway /var/waystation-parts/api /var/waystation-parts/courier \
        /var/waystation-parts/sim \
    && install -d -o waystation -g waystation -m 755 /var/waystation-scrape
ENV PYTHONUNBUFFERED=1 WAYSTATION_VAR_DIR=/var/waystation
ENTRYPOINT ["/opt/waystation/waystation"]
CMD ["--help"]
WORKDIR /opt/waystation
COPY --from=packages /opt/waystation/.venv .venv
COPY . .
RUN python3 -m compileall -q -j 0 api conform courier device_sim devices domain gateway migrations rules runtime \
        signing storage transport web
USER 10001:10001
