"""The manifests of compose/kubernetes, rendered by kustomize: what can be held without a cluster."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import click
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from streamrank_client.topics import topics
from streams.cli import main
from streams.policy.roles import ROLES, group_of
from streams.settings import Settings, checkout, load, variable

FOLDER: Final = checkout() / "compose" / "kubernetes"
#: the releases of Kubernetes whose schemas the manifests are held against: the oldest supported, and a newer one
RELEASES: Final = ("1.34", "1.37")
#: what operators make themselves, and no file holds
SECRETS: Final = {"streamrank", "gateway-tokens"}
PARTS: Final = ("ingest", "query", "trainer", "gateway")

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    """All of them, as `kubectl apply --kustomize` sends them."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl on the PATH: it renders the manifests")
    done = subprocess.run([kubectl, "kustomize", str(FOLDER)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """Those of a kind, by name."""
    return {one["metadata"]["name"]: one for one in manifests if one["kind"] == kind}


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """The specification of each pod, by the name of what makes it."""
    makers = of_kind(manifests, "Deployment") | of_kind(manifests, "Job")
    return {name: one["spec"]["template"]["spec"] for name, one in makers.items()}


def container(pod: Manifest) -> Manifest:
    """A pod's only container."""
    (found,) = pod["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("release", RELEASES)
def test_every_manifest_is_what_kubernetes_takes(manifests: list[Manifest], release: str) -> None:
    """Against the schemas of a release, strictly: a field that there is not is an error. KEDA's are looked at below."""
    for one in manifests:
        if not one["apiVersion"].startswith("keda.sh/"):
            kubernetes_validate.validate(one, release, strict=True)
    wrong = {**of_kind(manifests, "Deployment")["query"], "spec": {"replicas": "two"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, release, strict=True)


def test_there_is_all_of_it(manifests: list[Manifest]) -> None:
    """Every role but `all`, the gateway, topics; each that serves with a budget."""
    assert set(of_kind(manifests, "Deployment")) == {*ROLES, "gateway"} - {"all"} == set(PARTS)
    assert set(of_kind(manifests, "Job")) == {"topics"}
    assert set(of_kind(manifests, "PodDisruptionBudget")) == set(PARTS)
    assert {one["metadata"].get("namespace") for one in manifests if one["kind"] != "Namespace"} == {"streamrank"}


def test_no_pod_is_root_or_can_become_it_or_writes_into_the_image(manifests: list[Manifest]) -> None:
    """What the pod security standard `restricted` asks for, a read-only root, and no token of the cluster."""
    for name, pod in pods(manifests).items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert container(pod)["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
    dockerfile = (FOLDER.parent / "Dockerfile").read_text()
    assert "--uid 10001" in dockerfile


def test_what_is_written_lies_on_volumes(manifests: list[Manifest]) -> None:
    """/tmp everywhere, and for workers the folder that the image names for compiled loops; every mount has a volume."""
    dockerfile = (FOLDER.parent / "Dockerfile").read_text()
    for name, pod in pods(manifests).items():
        mounts = {mount["name"]: mount["mountPath"] for mount in container(pod)["volumeMounts"]}
        assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
        assert mounts["tmp"] == "/tmp"
        assert ("numba-cache" in mounts) is (name in ROLES)
        assert f"NUMBA_CACHE_DIR={mounts.get('numba-cache', '')}" in dockerfile


def test_the_settings_are_settings_and_all_read_them(manifests: list[Manifest]) -> None:
    """A renamed setting must not leave a variable behind; values parse; ports and files are where pods have them."""
    (config,) = of_kind(manifests, "ConfigMap").values()
    given: dict[str, str] = config["data"]
    assert set(given) <= {variable(field.name) for field in fields(Settings)}
    tokens = given.pop("STREAMRANK_GATEWAY_TOKENS")
    settings = load(given)
    for pod in pods(manifests).values():
        sources = container(pod)["envFrom"]
        assert sources[0] == {"configMapRef": {"name": config["metadata"]["name"]}}
        assert sources[1] == {"secretRef": {"name": "streamrank"}}
    ports = {name: port["containerPort"] for name in PARTS for port in container(pods(manifests)[name])["ports"]}
    assert ports == {
        **dict.fromkeys(("ingest", "query", "trainer"), settings.web_port),
        "gateway": settings.gateway_port,
    }
    mounts = {m["name"]: m["mountPath"] for m in container(pods(manifests)["gateway"])["volumeMounts"]}
    assert tokens == f"{mounts['tokens']}/tokens.toml"
    (port,) = of_kind(manifests, "Service")["query"]["spec"]["ports"]
    assert settings.gateway_workers == f"http://query:{port['port']}"


def test_every_pod_runs_a_command_that_there_is(manifests: list[Manifest]) -> None:
    """`streamrank` with these arguments is understood; workers run their own role."""
    for name, pod in pods(manifests).items():
        args = container(pod)["args"]
        context = click.Context(main)
        command = main.get_command(context, args[0])
        assert command is not None, args
        with command.make_context(args[0], list(args[1:]), resilient_parsing=False) as made:
            if name in ROLES:
                assert made.params["role"] == name
    assert container(pods(manifests)["topics"])["args"] == ["topics", "create"]


def test_probes_ask_what_the_pages_say(manifests: list[Manifest]) -> None:
    """Restarts go by /health, load by /ready; SIGTERM has the time that a handover may take."""
    for name in PARTS:
        one = container(pods(manifests)[name])
        port = one["ports"][0]["name"]
        paths = {probe: one[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
        assert paths == {
            "startupProbe": {"path": "/health", "port": port}, "livenessProbe": {"path": "/health", "port": port},
            "readinessProbe": {"path": "/ready", "port": port},
        }  # fmt: skip
    for name in ("ingest", "query", "trainer"):
        assert pods(manifests)[name]["terminationGracePeriodSeconds"] == 40
    for one in of_kind(manifests, "Deployment").values():
        assert one["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_budgets_and_services_find_their_pods_and_no_budget_keeps_a_node_from_being_drained(
    manifests: list[Manifest],
) -> None:
    """Selectors are the pods' labels; one pod may always go, also the only trainer."""
    labels = {n: d["spec"]["template"]["metadata"]["labels"] for n, d in of_kind(manifests, "Deployment").items()}
    for name, deployment in of_kind(manifests, "Deployment").items():
        assert deployment["spec"]["selector"]["matchLabels"] == labels[name]
    for name, budget in of_kind(manifests, "PodDisruptionBudget").items():
        assert budget["spec"] == {"maxUnavailable": 1, "selector": {"matchLabels": labels[name]}}
    for name, service in of_kind(manifests, "Service").items():
        assert service["spec"]["selector"] == labels[name]
        names = {port["name"] for port in container(pods(manifests)[name])["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names


def test_workers_are_scaled_by_the_lag_of_their_own_groups(manifests: list[Manifest]) -> None:
    """Group and topic are those that the role reads; no more workers than partitions; down more slowly than up."""
    (config,) = of_kind(manifests, "ConfigMap").values()
    given = {name: value for name, value in config["data"].items() if name != "STREAMRANK_GATEWAY_TOKENS"}
    settings = load(given)
    read = {"ingest": settings.topics.behavior_events.name, "query": settings.topics.query_events.name}
    scaled = of_kind(manifests, "ScaledObject")
    assert set(scaled) == set(read)
    for role, one in scaled.items():
        spec = one["spec"]
        assert spec["scaleTargetRef"] == {"name": role}
        assert 2 <= spec["minReplicaCount"] <= spec["maxReplicaCount"] == settings.partitions
        (trigger,) = spec["triggers"]
        about = trigger["metadata"]
        assert trigger["type"] == "kafka"
        assert all(isinstance(value, str) for value in about.values())
        assert about["bootstrapServers"] == settings.kafka
        assert about["consumerGroup"] == group_of(settings.in_shop(settings.group), role)
        assert about["topic"] == read[role]
        assert about["topic"] in {topic.name for topic in topics(settings.partitions)}
        behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        up, down = behavior["scaleUp"]["policies"][0], behavior["scaleDown"]["policies"][0]
        assert up["value"] / up["periodSeconds"] > down["value"] / down["periodSeconds"]
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 300


def test_secrets_are_named_in_the_document_and_lie_in_no_file(manifests: list[Manifest]) -> None:
    """docs/kubernetes.md says how to make each."""
    used = {source["secretRef"]["name"] for pod in pods(manifests).values() for source in container(pod)["envFrom"][1:]}
    used |= {v["secret"]["secretName"] for pod in pods(manifests).values() for v in pod["volumes"] if "secret" in v}
    assert used == SECRETS
    assert of_kind(manifests, "Secret") == {}
    document = (checkout() / "docs" / "kubernetes.md").read_text()
    for name in SECRETS:
        assert f"create secret generic {name} " in document


def test_every_file_of_the_folder_is_rendered() -> None:
    """A manifest that is not listed would be forgotten."""
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert set(listed) == {path.name for path in Path(FOLDER).glob("*.yaml")} - {"kustomization.yaml"}
