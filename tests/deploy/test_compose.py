"""compose.yaml, the Dockerfile beside it and the systemd unit: no engine runs here, so they are read, and held against
the program they start."""

from __future__ import annotations

import fnmatch
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from rag.cli.arguments import parse
from rag.settings.file import load

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose.yaml"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
UNIT = ROOT / "deploy" / "archivar.service"
ENVIRONMENT = {"ARCHIVAR_DOCUMENTS": "/srv/documents"}
OURS = {"RAG_HOME", "RAG_MODELS", "RAG_CONFIG"}
OLLAMAS = {
    "OLLAMA_HOST", "OLLAMA_KEEP_ALIVE", "OLLAMA_MODELS", "OLLAMA_NO_CLOUD", "OLLAMA_NOPRUNE", "OLLAMA_NUM_PARALLEL",
}  # fmt: skip
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?:(:[-?])([^}]*))?\}")


def filled(text: str, environment: dict[str, str]) -> str:
    """The file with its variables filled in, as Compose does it.

    Raises:
        KeyError: one has to be set, and is not.
    """

    def value(found: re.Match[str]) -> str:
        name, how, rest = found.groups()
        if name in environment:
            return environment[name]
        if how == ":-":
            return rest
        raise KeyError(f"{name}: {rest}")

    return _VARIABLE.sub(value, text)


def written_out(mount: str | dict[str, Any]) -> dict[str, Any]:
    """A mount of one line as Compose reads it: what is no path names a volume."""
    if not isinstance(mount, str):
        return mount
    source, target = mount.split(":")
    return {"type": "bind" if source.startswith(("/", ".", "~")) else "volume", "source": source, "target": target}


def read(environment: dict[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load(filled(COMPOSE.read_text(), environment))
    for one in made["services"].values():
        one["volumes"] = [written_out(mount) for mount in one["volumes"]]
    return made


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read(ENVIRONMENT)


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return compose["services"]


def test_it_is_a_compose_file_by_the_compose_specification(tmp_path: Path) -> None:
    for name, text, code in (
        ("as-written.yaml", COMPOSE.read_text(), 0),
        ("filled.yaml", filled(COMPOSE.read_text(), ENVIRONMENT), 0),
        ("broken.yaml", COMPOSE.read_text().replace("cap_drop: [ALL]", "cap_drop: ALL"), 1),
    ):
        path = tmp_path / name
        path.write_text(text)
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr


def test_the_folder_of_documents_has_to_be_named() -> None:
    with pytest.raises(KeyError, match="set ARCHIVAR_DOCUMENTS"):
        filled(COMPOSE.read_text(), {})


def test_ollama_is_on_a_network_without_a_way_out_and_on_no_other(
    compose: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    assert services["ollama"]["networks"] == ["inside"]
    assert compose["networks"]["inside"]["internal"] is True
    assert not services["ollama"].keys() & {"ports", "expose", "network_mode", "dns", "extra_hosts"}


def test_the_service_reaches_ollama_inside_and_is_reached_in_front(
    compose: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    assert set(services["archivar"]["networks"]) == {"inside", "front"}
    front = compose["networks"]["front"]
    assert front["driver_opts"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"
    assert [name for name, one in services.items() if "ports" in one] == ["archivar"]


def test_only_the_service_that_fetches_the_model_has_a_way_out_and_it_runs_when_asked(
    compose: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    assert [name for name, one in services.items() if "setup" in one["networks"]] == ["pull"]
    assert services["pull"]["networks"] == ["setup"]
    assert services["pull"]["profiles"] == ["setup"]
    assert services["pull"]["restart"] == "no"
    assert not any("profiles" in one for name, one in services.items() if name != "pull")
    assert set(compose["networks"]) == {"inside", "front", "setup"}
    for name, one in services.items():
        assert "pull" not in one.get("depends_on", {}), name


@pytest.mark.parametrize("name", ["archivar", "ollama", "pull"])
def test_every_service_is_closed(services: dict[str, dict[str, Any]], name: str) -> None:
    one = services[name]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert not one.keys() & {
        "privileged",
        "cap_add",
        "devices",
        "pid",
        "ipc",
        "userns_mode",
        "network_mode",
        "volumes_from",
    }
    limits = one["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory", "pids"}
    assert all(entry.startswith("/tmp:size=") for entry in one["tmpfs"])


def test_what_runs_all_day_is_not_root_and_is_looked_after(services: dict[str, dict[str, Any]]) -> None:
    for name in ("archivar", "ollama"):
        uid, gid = services[name]["user"].split(":")
        assert int(uid) >= 1000 and int(gid) >= 1000
        assert services[name]["healthcheck"]["test"][0] == "CMD"
        assert services[name]["restart"] == "unless-stopped"


def test_every_image_is_pinned_to_a_version(services: dict[str, dict[str, Any]]) -> None:
    for name, one in services.items():
        version = one["image"].rpartition(":")[2]
        assert version == "local" if name == "archivar" else re.fullmatch(r"\d+\.\d+\.\d+(@sha256:\w{64})?", version)
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    built = re.findall(r"^FROM \S+ AS (\w+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 3
    assert all(base in built or re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases)


def test_every_variable_is_one_that_somebody_reads(services: dict[str, dict[str, Any]]) -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "rag").rglob("*.py"))
    assert all(re.search(rf'environ(?:\.get\(|\[)"{name}"', source) for name in OURS), "else the list is wrong"
    assert set(services["archivar"]["environment"]) - {"HEALTHZ_URL"} <= OURS
    assert "HEALTHZ_URL" in (ROOT / "deploy" / "healthz.py").read_text()
    for name in ("ollama", "pull"):
        assert set(services[name]["environment"]) - {"HOME", "MODEL"} <= OLLAMAS
        assert services[name]["environment"]["OLLAMA_NO_CLOUD"] == "1"
    image = set(re.findall(r"^(?:ENV |    )([A-Z_]+)=", DOCKERFILE, re.MULTILINE))
    assert {name for name in image if name.startswith("RAG_")} <= OURS


def test_documents_settings_and_keys_are_mounted_read_only(services: dict[str, dict[str, Any]]) -> None:
    mounts = {mount["target"]: mount for mount in services["archivar"]["volumes"]}
    assert {target for target, mount in mounts.items() if mount.get("read_only")} == {
        "/documents", "/etc/archivar/rag.toml", "/run/tls",
    }  # fmt: skip
    assert mounts["/var/lib/archivar"]["type"] == "volume"
    assert services["ollama"]["volumes"][0]["read_only"] is True


def test_a_backup_has_a_place_that_the_service_may_write_to() -> None:
    for given, kind in (({}, "volume"), ({"ARCHIVAR_BACKUP": "/srv/backup"}, "bind")):
        mounts = {one["target"]: one for one in read(ENVIRONMENT | given)["services"]["archivar"]["volumes"]}
        assert (mounts["/backup"]["type"], mounts["/backup"].get("read_only")) == (kind, None)
        assert mounts["/backup"]["source"] == given.get("ARCHIVAR_BACKUP", "backup")
    assert re.search(r"install -d -o 10001 -g 10001 -m 0700 .*/backup\b", DOCKERFILE), "a new volume takes its owner"
    assert "\nReadWritePaths=-/srv/archivar-backup\n" in UNIT.read_text()
    readme = (ROOT / "README.md").read_text()
    assert "rag backup /srv/archivar-backup/" in readme and "archivar rag backup /backup/" in readme


def test_every_volume_and_network_that_is_used_is_declared(
    compose: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    used = {mount["source"] for one in services.values() for mount in one["volumes"] if mount["type"] == "volume"}
    assert used == set(compose["volumes"])
    assert {name for one in services.values() for name in one["networks"]} == set(compose["networks"])


def test_the_command_is_one_of_ours(services: dict[str, dict[str, Any]]) -> None:
    options = parse(services["archivar"]["command"])
    assert (options.command, options.host, options.port) == ("serve", "0.0.0.0", 8088)
    assert str(options.tls_cert).startswith("/run/tls/") and str(options.tls_key).startswith("/run/tls/")
    assert services["archivar"]["ports"][0].endswith(":8088")
    assert services["archivar"]["environment"]["HEALTHZ_URL"] == "https://127.0.0.1:8088/healthz"


def commands_told() -> list[list[str]]:
    """Every `docker compose run … archivar …` that the compose file and the README tell people to type."""
    text = COMPOSE.read_text() + (ROOT / "README.md").read_text()
    found = re.findall(r"docker compose run --rm archivar ([^\n`#]+)", text)
    return [shlex.split(line.split("  ")[0]) for line in found]


def test_the_commands_that_are_told_to_be_typed_are_ours() -> None:
    told = commands_told()
    assert ["keys", "add", "admin", "--user", "anna", "--scope", "all"] in told
    for words in told:
        assert parse(words).command == words[0]


def test_the_settings_beside_it_are_read_and_lead_to_ollama_inside(services: dict[str, dict[str, Any]]) -> None:
    settings = load(config=ROOT / "deploy" / "rag.toml", home=None, environ={})
    assert [str(one) for one in settings.endpoints()] == ["ollama:11434"]
    assert settings.auth.mode == "required"
    assert {source.path for source in settings.sources} == {"/documents"}
    assert settings.llm.model == re.search(r"ARCHIVAR_MODEL:-([^}]+)\}", COMPOSE.read_text())[1]  # type: ignore[index]


def test_the_dockerfile_copies_what_there_is_and_what_the_builder_is_given() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = [line[1:] for line in ignored if line.startswith("!")]
    assert "*" in ignored
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            path = source.removeprefix("./")
            assert (ROOT / path).exists(), path
            assert any(fnmatch.fnmatch(path, pattern) for pattern in let_in), f"{path} is kept from the builder"


def test_nothing_private_reaches_the_builder() -> None:
    """Home, keys, documents and settings of whoever builds."""
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_in == {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "requirements.lock",
        "rag",
        "connectors",
        "deploy/healthz.py",
    }


def test_the_image_is_built_by_the_lock_and_runs_as_nobody_special() -> None:
    assert "pip install --require-hashes -r requirements.lock" in DOCKERFILE
    assert "--no-deps ." in DOCKERFILE
    user = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert user == [("10001", "10001")]
    assert DOCKERFILE.index("USER 10001") > DOCKERFILE.index("RUN apt-get"), "the last stage ends as that user"
    assert "-m 0700 /var/lib/archivar" in DOCKERFILE, "a home that others can read is refused"
    for word in ("HEALTHCHECK", "STOPSIGNAL SIGTERM", "LABEL", 'ENTRYPOINT ["rag"]'):
        assert word in DOCKERFILE


def test_the_image_has_the_interpreter_the_project_is_for() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert wanted == ">=3.11"
    assert {tuple(map(int, version)) >= (3, 11) for version in re.findall(r"python:(\d+)\.(\d+)", DOCKERFILE)} == {True}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_health_check_tells_a_service_that_lives_from_one_that_does_not(tmp_path: Path, scheme: str) -> None:
    from tests.deploy.server import answering

    script = [sys.executable, str(ROOT / "deploy" / "healthz.py")]
    for status, code in ((200, 0), (503, 1)):
        with answering(status, tls=tmp_path if scheme == "https" else None) as port:
            environment = {"HEALTHZ_URL": f"{scheme}://127.0.0.1:{port}/healthz", "https_proxy": "http://127.0.0.1:1"}
            done = subprocess.run(script, env=environment, capture_output=True, check=False, timeout=30)
            assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")
    gone = {"HEALTHZ_URL": f"{scheme}://127.0.0.1:{port}/healthz"}
    assert subprocess.run(script, env=gone, capture_output=True, check=False, timeout=30).returncode == 1


# ---- systemd ----

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def unit_at(folder: Path) -> Path:
    """The unit with a program that is there: whether ours is, depends on where it is installed."""
    path = folder / "archivar.service"
    path.write_text(UNIT.read_text().replace("/opt/archivar/.venv/bin/rag serve", shutil.which("true") or "/bin/true"))
    return path


@needs_systemd
def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit_at(tmp_path))], capture_output=True, text=True, check=False
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if "archivar" in line]) == (0, [])


@needs_systemd
def test_the_unit_exposes_as_little_as_the_readme_says(tmp_path: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit_at(tmp_path))]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    score = float(re.search(r"exposure level for \S+: ([\d.]+)", told)[1])  # type: ignore[index]
    assert score <= 2.0
    assert f"exposure {score}" in (ROOT / "README.md").read_text()


def test_the_unit_starts_our_command_with_variables_that_are_read() -> None:
    unit = UNIT.read_text()
    started = re.search(r"^ExecStart=\S+/rag (.+)$", unit, re.MULTILINE)
    assert started is not None and parse(started[1].split()).command == "serve"
    assert set(re.findall(r"(\w+)=/", re.search(r"^Environment=(.+)$", unit, re.MULTILINE)[1])) == OURS  # type: ignore[index]
    assert "StateDirectoryMode=0700" in unit
