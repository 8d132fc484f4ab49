# syntax=docker/dockerfile:1
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/market-maker \
    && /opt/market-maker/bin/pip install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md ./
COPY src ./src
# The build backend is in the lock, so nothing unpinned is fetched here.
RUN /opt/market-maker/bin/pip install --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin market-maker \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=build /opt/market-maker /opt/market-maker
# Compiled kernels must be cached somewhere writable, or numba refuses to import them; they
# depend on the processor, so they live on the data volume and not in the image.
ENV PATH=/opt/market-maker/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MM_DATA_DIR=/data \
    NUMBA_CACHE_DIR=/data/numba-cache
WORKDIR /data
VOLUME /data
EXPOSE 9464
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-m", "market_maker", "status", "--quiet"]
ENTRYPOINT ["python", "-m", "market_maker"]
CMD ["--market", "SOL-USD"]
