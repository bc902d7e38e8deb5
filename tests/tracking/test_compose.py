"""`mlflow/compose.yaml`, read as Docker Compose does: no test machine has Docker."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "mlflow"
TEXT = (FOLDER / "compose.yaml").read_text("utf-8")
SCRIPT = (FOLDER / "serve.sh").read_text("utf-8")
SECRETS = {"POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY", "ADMIN_PASSWORD", "SECRET_KEY"}
KEYS = set("build command depends_on environment healthcheck image ports restart volumes".split())
VARIABLE = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}")


def example():
    """The variables of the example, as `--env-file` reads them."""
    lines = (FOLDER / "server.env.example").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def compose(variables):
    """The services with their variables filled in, each value by itself."""

    def filled(value):
        if isinstance(value, dict):
            return {key: filled(it) for key, it in value.items()}
        if isinstance(value, list):
            return [filled(it) for it in value]
        return VARIABLE.sub(replace, value) if isinstance(value, str) else value

    def replace(found):
        name, operator, other = found.groups()
        value = variables.get(name, "")
        if not value and operator == ":?":
            raise KeyError(name)
        return value or (other if operator == ":-" else "")

    return filled(yaml.safe_load(TEXT))


@pytest.fixture
def services():
    return compose({name: value or name.lower() for name, value in example().items()})["services"]


def dockerfile():
    """The instructions of the image, and their arguments."""
    text = yaml.safe_load(TEXT)["services"]["server"]["build"]["dockerfile_inline"]
    return [line.split(" ", 1) for line in text.splitlines()]


def test_there_is_no_default_password():
    variables = example()
    assert {name for name, value in variables.items() if not value} == SECRETS
    for name in SECRETS:
        given = {it: "given" for it in variables if it != name}
        with pytest.raises(KeyError, match=name):
            compose(given)


def test_variables_are_those_of_the_example(services):
    assert {found[0] for found in VARIABLE.findall(TEXT)} == set(example())
    defaults = {name: text for name, operator, text in VARIABLE.findall(TEXT) if operator == ":-"}
    assert defaults == {name: value for name, value in example().items() if value}
    assert "$" not in VARIABLE.sub("", TEXT)
    assert not any("$" in str(value) for value in services["server"]["environment"].values())


def test_images_and_packages_are_pinned(services):
    images = [one["image"] for one in services.values() if "image" in one]
    images += [argument for instruction, argument in dockerfile() if instruction == "FROM"]
    for image in images:
        tag = image.rpartition(":")[2]
        assert re.search(r"\d", tag) and "latest" not in tag, image
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if "==" in line
    )
    (line,) = [it for _, it in dockerfile() if "mlflow[auth]" in it]
    packages = [word for word in shlex.split(line) if "==" in word]
    assert {re.sub(r"\[.*\]", "", it) for it in packages} == {
        f"{name}=={pins[name]}" for name in ("mlflow", "psycopg2-binary", "boto3")
    }


def test_server_finds_database_and_store(services):
    settings, database = services["server"]["environment"], services["database"]["environment"]
    address = urlsplit(settings["MLFLOW_BACKEND_STORE_URI"])
    assert address.hostname == "database" and address.port is None  # that of PostgreSQL
    assert address.username == database["POSTGRES_USER"]
    assert address.path == f"/{database['POSTGRES_DB']}"
    assert address.password == database["POSTGRES_PASSWORD"] == "postgres_password"
    store = urlsplit(settings["MLFLOW_S3_ENDPOINT_URL"])
    assert (store.hostname, store.port) == ("store", 9000)  # that of MinIO
    keys = services["store"]["environment"]
    assert settings["AWS_ACCESS_KEY_ID"] == keys["MINIO_ROOT_USER"] == "s3_access_key"
    assert settings["AWS_SECRET_ACCESS_KEY"] == keys["MINIO_ROOT_PASSWORD"] == "s3_secret_key"
    assert settings["MLFLOW_ARTIFACTS_DESTINATION"].startswith("s3://")


def test_server_is_started_by_the_script_with_what_it_needs(services):
    server = services["server"]
    needed = set(re.findall(r'^: "\$\{(\w+):\?', SCRIPT, re.MULTILINE))
    used = set(re.findall(r'environ(?:\.get\(|\[)"(\w+)"', SCRIPT)) - {"MLFLOW_AUTH_CONFIG_PATH"}
    assert len(needed) == 4 and needed | used <= set(server["environment"])
    assert all(isinstance(value, str) for value in server["environment"].values())
    copied = dict(shlex.split(it)[-2:] for name, it in dockerfile() if name == "COPY")
    command = server["command"]
    assert command[:2] == ["sh", "/serve.sh"] and copied["mlflow/serve.sh"] == "/serve.sh"
    port = command[command.index("--port") + 1]
    assert command[command.index("--host") + 1] == "0.0.0.0"  # of the container
    assert server["ports"] == [f"127.0.0.1:5000:{port}"]
    assert f"http://localhost:{port}/health" in server["healthcheck"]["test"][-1]
    assert "localhost:*" in server["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    name = re.search(r"--app-name (\S+)", SCRIPT)[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert name in project["entry-points"]["mlflow.app"]


def test_services_and_volumes_are_declared(services):
    declared = compose(dict.fromkeys(example(), "x"))
    assert set(declared) == {"services", "volumes"}
    for name, service in services.items():
        assert set(service) <= KEYS
        for other, condition in service.get("depends_on", {}).items():
            assert "healthcheck" in services[other] or condition["condition"] == "service_started"
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in declared["volumes"]
        assert name == "server" or "ports" not in service  # reached from within alone
    assert services["database"]["volumes"] == ["database:/var/lib/postgresql/data"]
    assert services["store"]["command"].split()[-1] == services["store"]["volumes"][0].split(":")[1]


def test_image_has_all_files_that_the_package_needs(tmp_path):
    for instruction, argument in dockerfile():
        if instruction == "COPY" and argument.split()[-1].startswith("/src"):
            *sources, target = argument.split()
            for source in sources:
                place = tmp_path / target.lstrip("/")
                if (ROOT / source).is_dir():
                    ignore = shutil.ignore_patterns("__pycache__", "*.h5")
                    shutil.copytree(ROOT / source, place, ignore=ignore)
                else:
                    place.mkdir(exist_ok=True)
                    shutil.copy(ROOT / source, place)
    command = "import setuptools.build_meta as it; it.build_wheel('dist')"
    built = subprocess.run(
        [sys.executable, "-c", command], cwd=tmp_path / "src", capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    assert "Cannot find any files" not in built.stderr
    (wheel,) = (tmp_path / "src" / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "zoo/tracking/server.py" in names
    assert {Path(it).name for it in names if "/licenses/" in it} == {"LICENSE", "NOTICE"}
