"""Compose and Kubernetes: as their schemas have them, true to the image and to the edge."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from edge.config import Config
from edge.config_loading import load
from edge.server.orders import MARGIN
from tests.clients import packages
from tests.deploying.test_container import IMAGE
from tests.support.processes import JELOU, ROOT, run

DEPLOYING = ROOT / "examples" / "deploying"
COMPOSE = DEPLOYING / "compose" / "compose.yaml"
MANIFESTS = DEPLOYING / "kubernetes" / "jelou-edge.yaml"
DEFAULT = Config(data_dir=Path("/x"))
ENDING = DEFAULT.drain_timeout + DEFAULT.stop_timeout + MARGIN
"""Seconds that an edge with a function may take to end."""


@cache
def read(kind: str, file: Path) -> list[Any]:
    """The documents of a file that its schema has nothing against."""
    done = judged(kind, file)
    assert done.returncode == 0, done.stderr
    documents: list[Any] = json.loads(done.stdout)
    return documents


def judged(kind: str, file: Path) -> Any:
    python = packages.or_skip(lambda: packages.python("manifests"))
    return run([str(python), str(packages.DRIVERS / "manifests.py"), kind, str(file)])


def resource(kind: str) -> Any:
    """The one manifest of a kind."""
    (found,) = (each for each in read("kubernetes", MANIFESTS) if each["kind"] == kind)
    return found


def taken(words: list[str], settings: str, environ: dict[str, str], folder: Path) -> Config:
    """What the edge makes of arguments, of the file that they name, and of the environment."""
    toml = folder / "edge.toml"
    toml.write_text(settings)
    words = [str(toml) if word == "/etc/jelou-edge/edge.toml" else word for word in words]
    assert str(toml) in words
    shown = run([*JELOU, *words, "--print-config"], env=IMAGE.environ | environ)
    assert shown.returncode == 0, shown.stderr
    return load({}, IMAGE.environ | environ, toml, root=False).config


def is_restricted(pod: Any) -> None:
    """Hold a pod to the "restricted" standard (Kubernetes, Pod Security Standards)."""
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
    assert kinds <= {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
    for container in pod["containers"]:
        own = container["securityContext"]
        assert (own["allowPrivilegeEscalation"], own["capabilities"]) == (False, {"drop": ["ALL"]})
        assert own["readOnlyRootFilesystem"]


def test_compose_runs_the_image_as_it_wants_to_be_run(tmp_path: Path) -> None:
    (compose,) = read("compose", COMPOSE)
    service = compose["services"]["edge"]
    assert service["read_only"]
    assert (service["init"], service["cap_drop"]) == (True, ["ALL"])
    build = (COMPOSE.parent / service["build"]["context"]).resolve()
    assert build == ROOT
    assert (build / service["build"]["dockerfile"]).is_file()
    assert float(service["stop_grace_period"].removesuffix("s")) > ENDING
    assert [int(port.rpartition(":")[2]) for port in service["ports"]] == IMAGE.ports
    named = [volume.partition(":")[2] for volume in service["volumes"] if volume[0] != "."]
    assert named == IMAGE.volumes
    (mounted,) = (volume.split(":")[0] for volume in service["volumes"] if volume[0] == ".")
    settings = (COMPOSE.parent / mounted).read_text()
    assert taken(service["command"], settings, {}, tmp_path).workers == 2


def test_kubernetes_runs_it_restricted_with_its_data_on_a_claim(tmp_path: Path) -> None:
    pod = resource("StatefulSet")["spec"]["template"]["spec"]
    is_restricted(pod)
    assert resource("Namespace")["metadata"]["labels"] == {
        "pod-security.kubernetes.io/enforce": "restricted"
    }
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsUser"] == IMAGE.uid == pod["securityContext"]["fsGroup"]
    environ = {each["name"]: each["value"] for each in container["env"]}
    settings = resource("ConfigMap")["data"]["edge.toml"]
    config = taken(container["args"], settings, environ, tmp_path)
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    (claim,) = resource("StatefulSet")["spec"]["volumeClaimTemplates"]
    assert str(config.data_dir.parent) == mounts[claim["metadata"]["name"]] == IMAGE.volumes[0]
    assert mounts["settings"] == "/etc/jelou-edge"
    assert resource("StatefulSet")["spec"]["replicas"] == 1


def test_kubernetes_asks_the_edge_how_it_is_and_lets_it_end_in_order() -> None:
    pod = resource("StatefulSet")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (port,) = container["ports"]
    assert [port["containerPort"]] == IMAGE.ports
    asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness")}
    assert asked["startup"] == asked["liveness"] == {"path": "/__edge/live", "port": port["name"]}
    ready = container["readinessProbe"]["httpGet"]
    assert ready == {"path": "/__edge/ready", "port": port["name"]}
    program, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    assert pod["terminationGracePeriodSeconds"] > ENDING + float(seconds)


def test_its_service_and_its_policy_are_for_its_pod_and_its_port() -> None:
    labels = resource("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert resource("Service")["spec"]["selector"] == labels
    assert resource("StatefulSet")["spec"]["selector"]["matchLabels"] == labels
    assert resource("StatefulSet")["spec"]["serviceName"] == resource("Service")["metadata"]["name"]
    policy = resource("NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"] == labels
    assert policy["ingress"] == [{"ports": [{"port": "http"}]}]
    assert "169.254.0.0/16" in policy["egress"][0]["to"][0]["ipBlock"]["except"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "file", "before", "after"),
    [
        ("compose", COMPOSE, "read_only", "readonly"),
        ("kubernetes", MANIFESTS, "readOnlyRootFilesystem", "readonlyRootFilesystem"),
        ("kubernetes", MANIFESTS, "containerPort: 8080", 'containerPort: "8080"'),
    ],
)
def test_a_mistake_would_be_found(
    kind: str, file: Path, before: str, after: str, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(file.read_text().replace(before, after, 1))
    assert judged(kind, wrong).returncode == 1
