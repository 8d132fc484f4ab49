"""Dockerfile and compose file: structure that can be judged without an engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from market_maker.config.runtime import MetricsConfig, ShutdownConfig

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
INSTRUCTIONS = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8")).splitlines()


def _instructions(name: str) -> list[str]:
    return [line.removeprefix(name).strip() for line in INSTRUCTIONS if line.startswith(f"{name} ")]


def test_the_compose_file_follows_its_schema() -> None:
    done = subprocess.run(
        [
            Path(sys.executable).with_name("check-jsonschema"),
            *("--builtin-schema", "vendor.compose-spec", ROOT / "docker-compose.yml"),
        ],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["bot", "prometheus", "grafana"])
def test_a_service_can_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "/tmp" in service["tmpfs"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "privileged" not in service


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_images_of_others_are_pinned(name: str) -> None:
    assert re.search(r":v?\d+\.\d+\.\d+$", SERVICES[name]["image"])


@pytest.mark.scenario("SC83")
def test_the_bot_gets_the_time_that_its_shutdown_may_take() -> None:
    grace_s = int(SERVICES["bot"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > ShutdownConfig().timeout_s + 10
    assert SERVICES["bot"]["init"] is True


def test_prometheus_reaches_the_port_that_the_bot_listens_on() -> None:
    scrape = yaml.safe_load(
        (ROOT / "grafana" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    )
    (target,) = scrape["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target == f"bot:{MetricsConfig().port}"
    assert SERVICES["bot"]["environment"] == {"MM_METRICS__HOST": "0.0.0.0"}


def test_every_mounted_file_exists() -> None:
    for service in SERVICES.values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).is_dir()


def test_the_image_is_built_in_stages_from_the_lock_and_runs_as_nobody() -> None:
    assert len(_instructions("FROM")) == 2
    installs = [line for line in _instructions("RUN") if "pip install" in line]
    assert any("--require-hashes" in line and "requirements.lock" in line for line in installs)
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    assert _instructions("USER") == ["10001:10001"] == [SERVICES["bot"]["user"]]
    assert INSTRUCTIONS.index("USER 10001:10001") > INSTRUCTIONS.index("VOLUME /data")


def test_signals_reach_the_bot_and_health_asks_it() -> None:
    (entry,) = _instructions("ENTRYPOINT")
    assert yaml.safe_load(entry) == ["python", "-m", "market_maker"]
    (health,) = _instructions("HEALTHCHECK")
    command = yaml.safe_load(health.partition("CMD")[2].strip())
    assert command == ["python", "-m", "market_maker", "status", "--quiet"]


def test_data_and_compiled_kernels_live_on_the_volume() -> None:
    environment = dict(pair.split("=", 1) for line in _instructions("ENV") for pair in line.split())
    assert _instructions("VOLUME") == ["/data"] == [environment["MM_DATA_DIR"]]
    assert environment["NUMBA_CACHE_DIR"].startswith("/data/")
    assert any(volume.endswith(":/data") for volume in SERVICES["bot"]["volumes"])


def test_only_what_the_build_needs_is_sent_to_it() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line[1:] for line in lines if line.startswith("!")}
    assert lines[0] == "*"
    copied = {
        source.removeprefix("./")
        for line in _instructions("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    }
    assert copied == sent
    assert all((ROOT / source).exists() for source in sent)


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_hadolint_accepts_the_dockerfile() -> None:
    done = subprocess.run(
        ["hadolint", ROOT / "Dockerfile"], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stdout
