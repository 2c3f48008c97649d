"""Tests of the files in `deploy/`: each is valid, and they agree with each other."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer.main
import yaml
from balancers import DEPLOY
from nats_cluster import find_nats_server

from tickerkit.brokers import StreamAddress
from tickerkit.cli.app import app
from tickerkit.cli.exit_codes import MISUSED
from tickerkit.cli.options import parse_duration
from tickerkit.feed.recorder import MAX_STOP_S
from tickerkit.server.http import ALIVE, READY

ROOT = DEPLOY.parent
COMMANDS = getattr(typer.main.get_command(app), "commands")  # noqa: B009
OLDEST_KUBERNETES = "1.29"

Manifest = dict[str, Any]


def read_manifests(kind: str = "") -> dict[str, Manifest]:
    """Return the manifests for Kubernetes of a kind, or all, by name."""
    text = (DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")
    found = yaml.safe_load_all(text)
    return {each["metadata"]["name"]: each for each in found if kind in ("", each["kind"])}


def read_compose() -> Manifest:
    """Return the file for Docker Compose; it is YAML whose anchors are filled in."""
    compose: Manifest = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return compose


def pod_of(deployment: Manifest) -> Manifest:
    """Return the pod that a deployment makes."""
    pod: Manifest = deployment["spec"]["template"]
    return pod


def container_of(deployment: Manifest) -> Manifest:
    """Return the one container of a deployment's pod."""
    (container,) = pod_of(deployment)["spec"]["containers"]
    found: Manifest = container
    return found


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Yield each command line of tickerkit, with the place where it is."""
    for name, deployment in read_manifests("Deployment").items():
        yield f"kubernetes.yaml: {name}", container_of(deployment)["args"]
    for name, service in read_compose()["services"].items():
        if service["image"] == "tickerkit":
            yield f"compose.yaml: {name}", shlex.split(service["command"])


LINES = dict(command_lines())


def parse(line: list[str]) -> dict[str, Any]:
    """Return the arguments of a command line, as tickerkit's own commands read them."""
    name, *words = line
    context = COMMANDS[name].make_context(name, words)
    return dict(context.params)


@pytest.mark.parametrize("place", LINES)
def test_command_lines_are_valid(place: str) -> None:
    """Each command and option exists, and each value is of its type."""
    arguments = parse(LINES[place])
    assert (arguments["host"], arguments["port"]) == ("0.0.0.0", 8000)
    stream = arguments.get("publish") or arguments["address"]
    # A password of the compose file comes from the environment.
    assert StreamAddress.parse(re.sub(r"\$\{\w+\}", "password", stream)).name == "crypto"


@pytest.mark.parametrize("version", [OLDEST_KUBERNETES, kubernetes_validate.latest_version()])
def test_manifests_are_valid(version: str) -> None:
    """They have the form that Kubernetes documents, without further keys."""
    for manifest in read_manifests().values():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_selectors_match_the_pods() -> None:
    """A service, a budget and an autoscaler find the relays, and each deployment its own pods."""
    deployments = read_manifests("Deployment")
    relay = pod_of(deployments["relay"])["metadata"]["labels"]
    for deployment in deployments.values():
        labels = pod_of(deployment)["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert read_manifests("Service")["relays"]["spec"]["selector"] == relay
    budget = read_manifests("PodDisruptionBudget")["relay"]["spec"]
    assert budget["selector"]["matchLabels"] == relay
    (spread,) = pod_of(deployments["relay"])["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == relay
    target = read_manifests("HorizontalPodAutoscaler")["relay"]["spec"]["scaleTargetRef"]
    assert target["name"] in deployments
    assert "replicas" not in deployments["relay"]["spec"]


@pytest.mark.parametrize("name", ["maker", "relay"])
def test_probes_ports_and_secrets_exist(name: str) -> None:
    """Probes ask paths that the server has, at ports that the command line names."""
    deployment = read_manifests("Deployment")[name]
    container, arguments = container_of(deployment), parse(LINES[f"kubernetes.yaml: {name}"])
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports == {"http": arguments["port"], "metrics": arguments["metrics_port"]}
    probes = {key: container[f"{key}Probe"]["httpGet"] for key in ("startup", "liveness")}
    assert {(each["path"], each["port"]) for each in probes.values()} == {(ALIVE, "http")}
    ready = container["readinessProbe"]["httpGet"]
    assert (ready["path"], ready["port"]) == (READY, "http")
    secrets = read_manifests("Secret")
    (source,) = container["envFrom"]
    assert list(secrets[source["secretRef"]["name"]]["stringData"]) == ["TICKERKIT_TOKEN"]
    (volume,), (mount,) = pod_of(deployment)["spec"]["volumes"], container["volumeMounts"]
    (item,) = volume["secret"]["items"]
    assert item["key"] in secrets[volume["secret"]["secretName"]]["stringData"]
    assert arguments["creds"] == f"{mount['mountPath']}/{item['path']}"
    assert mount["name"] == volume["name"]


def test_service_leads_to_the_port_of_the_relays() -> None:
    """It names the port as the pod does."""
    (port,) = read_manifests("Service")["relays"]["spec"]["ports"]
    relay = container_of(read_manifests("Deployment")["relay"])
    assert port["targetPort"] in {each["name"] for each in relay["ports"]}


def test_update_leaves_relays_time_to_drain() -> None:
    """Before it ends a relay waits, and then closes its readers; only then it may be killed."""
    deployments = read_manifests("Deployment")
    relay = deployments["relay"]
    wait = container_of(relay)["lifecycle"]["preStop"]["exec"]["command"]
    drain_s = parse_duration("drain", parse(LINES["kubernetes.yaml: relay"])["drain"])
    grace_s = pod_of(relay)["spec"]["terminationGracePeriodSeconds"]
    assert grace_s >= int(wait[1]) + drain_s + 5
    assert relay["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert deployments["maker"]["spec"]["strategy"]["type"] == "Recreate"
    assert deployments["maker"]["spec"]["replicas"] == 1
    service = read_compose()["services"]["relay1"]
    drain_s = parse_duration("drain", parse(LINES["compose.yaml: relay1"])["drain"])
    assert parse_duration("grace", service["stop_grace_period"]) >= drain_s + 5


def test_services_of_the_compose_file_name_each_other() -> None:
    """Hosts, files, volumes and variables that one names are there."""
    compose = read_compose()
    services = compose["services"]
    named: set[str] = set()
    for service in services.values():
        named.update(service.get("depends_on", []))
        for volume in service.get("volumes", []):
            source, target, *_ = volume.split(":")
            assert (DEPLOY / source).is_file() if source[0] == "." else source in compose["volumes"]
            assert target.startswith("/")
    for place, line in LINES.items():
        arguments = parse(line)
        if place.startswith("compose"):
            stream = arguments.get("publish") or arguments["address"]
            address = StreamAddress.parse(re.sub(r"\$\{\w+\}", "password", stream))
            named.update(each.partition(":")[0] for each in address.servers)
    for file in ("haproxy.cfg", "nginx.conf"):
        text = (DEPLOY / file).read_text(encoding="utf-8")
        named.update(re.findall(r"\b(relay\d):8000\b", text))
    nats = (DEPLOY / "nats.conf").read_text(encoding="utf-8")
    named.update(re.findall(r"nats://(\w+):6222", nats))
    assert named == set(services) - {"maker", "haproxy"}
    nats += (DEPLOY / "nats-users.conf").read_text(encoding="utf-8")
    variables = set(re.findall(r"\$([A-Z_]+)", nats.replace("$JS", "")))
    for name in ("nats1", "nats2", "nats3"):
        assert variables == set(services[name]["environment"])
        assert services[name]["environment"]["NATS_NAME"] == name


def test_image_is_built_from_files_that_exist() -> None:
    """The build copies what the package needs, and ends as the command tickerkit."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = {name for line in re.findall(r"^COPY (.*)$", text, re.M) for name in line.split()[:-1]}
    assert {"pyproject.toml", "README.md", "LICENSE", "tickerkit", "notebooks"} == copied
    assert all((ROOT / name).exists() for name in copied)
    assert 'ENTRYPOINT ["tickerkit"]' in text
    assert re.search(r"^USER (?!root|0)", text, re.M)
    build = read_compose()["services"]["relay1"]["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def test_broker_accepts_its_configuration(tmp_path: Path) -> None:
    """Its own check of the file passes."""
    for file in ("nats.conf", "nats-users.conf"):
        (tmp_path / file).write_bytes((DEPLOY / file).read_bytes())
    environment = {"NATS_NAME": "nats1", "MAKER_PASSWORD": "maker1", "RELAY_PASSWORD": "relay1"}
    command = [find_nats_server(), "-t", "-c", str(tmp_path / "nats.conf")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- recorders ------------------------------------------------------------------------------------

UNIT = DEPLOY / "tickerkit-record@.service"
SYSTEMD_ANALYZE = shutil.which("systemd-analyze")


def read_unit(key: str) -> str:
    """Return a value of the service."""
    (value,) = re.findall(rf"^{key}=(.*)$", UNIT.read_text(encoding="utf-8"), re.M)
    return str(value)


def read_recorder() -> Manifest:
    """Return the recorder's service in the file for Docker Compose."""
    compose = yaml.safe_load((DEPLOY / "recorder.yaml").read_text(encoding="utf-8"))
    service: Manifest = compose["services"]["recorder"]
    return service


@pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("wrong", ["", "WatchdogSec=often\n"])
def test_unit_is_valid(tmp_path: Path, wrong: str) -> None:
    """`systemd-analyze` has nothing to say about it; about a wrong value it has."""
    text = UNIT.read_text(encoding="utf-8").replace("/opt/tickerkit/bin/tickerkit", sys.executable)
    unit = tmp_path / UNIT.name.replace("@", "@kraken")
    unit.write_text(text.replace("[Service]\n", f"[Service]\n{wrong}"), encoding="utf-8")
    checked = subprocess.run(
        [str(SYSTEMD_ANALYZE), "verify", unit], capture_output=True, text=True, check=False
    )
    assert (checked.stdout + checked.stderr == "") is (not wrong)


def test_unit_records_and_its_command_line_is_valid() -> None:
    """Its options exist, and what it writes lies where the unit may write."""
    program, *words = read_unit("ExecStart").split()
    assert program.endswith("/tickerkit")
    named = {"${SOURCE}": ["sim:A"], "$OPTIONS": ["--rotate", "hour", "--max-disk", "100GB"]}
    arguments = parse([each for word in words for each in named.get(word, [word])])
    assert (arguments["source"], arguments["out"]) == ("sim:A", ".")
    assert read_unit("WorkingDirectory") == f"%S/{read_unit('StateDirectory')}"
    assert arguments["health"] == f"%t/{read_unit('RuntimeDirectory')}/health.json"
    assert read_unit("RestartPreventExitStatus") == str(MISUSED)


def test_recorder_of_docker_is_checked_by_its_health_file() -> None:
    """The check reads the file that the recorder writes, and its end has the time it needs."""
    service = read_recorder()
    arguments = parse(shlex.split(service["command"]))
    (volume,) = service["volumes"]
    folder = volume.partition(":")[2]
    assert Path(arguments["out"]) == Path(folder)
    assert folder == "/home/tickerkit/captures"
    kind, program, *words = service["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "tickerkit")
    assert str(parse(words)["file"]) == arguments["health"]
    grace_s = parse_duration("grace", service["stop_grace_period"])
    assert grace_s > MAX_STOP_S
    assert parse_duration("stop", read_unit("TimeoutStopSec")) > MAX_STOP_S
