"""The server for a team (`mlflow/serve.sh`): PostgreSQL, an S3 store, and accounts, for real."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    Request,
    build_opener,
)

import pytest

ROOT = Path(__file__).parents[2]
POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
PACKAGES = ("boto3", "flask_wtf", "moto", "psycopg2")
MISSING = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
PASSWORD = "correct-horse-battery"
NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")

pytestmark = [
    pytest.mark.once,
    pytest.mark.slow,
    pytest.mark.skipif(POSTGRES is None, reason="PostgreSQL is not installed: no initdb"),
    pytest.mark.skipif(
        bool(MISSING), reason=f"`pip install 'seqzoo[team]'`: without {', '.join(MISSING)}"
    ),
]

# Ten processes log a run each at the same time; the parent has imported what they need.
TEN_RUNS = """
import os, sys, traceback
from pathlib import Path
from zoo.tracking import prepare_store, start_run
from zoo.tracking.environment import environment
import zoo.tracking_store

zoo.tracking_store.TIMEOUT_SECONDS = 120  # a busy machine takes its time for ten passwords at once
prepare_store()
environment()
children = []
for number in range(10):
    if (child := os.fork()) == 0:
        code = 1
        try:
            with start_run("ten", f"run {number}", config={"number": number}) as run:
                for step in range(1, 6):
                    run.log_metrics({f"train/{i}": number + step + i for i in range(20)}, step)
                run.log_text(f"written by {number}", "notes.md")
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


@dataclass
class Team:
    """The running server."""

    address: str
    database: str
    store: str
    environment: dict[str, str]

    def ask(self, path, account=None, body=None):
        """Status of a request."""
        passwords = HTTPPasswordMgrWithDefaultRealm()
        if account:
            passwords.add_password(None, self.address, *account)
        opener = build_opener(HTTPBasicAuthHandler(passwords))
        headers = {"Content-Type": "application/json"}
        try:
            with opener.open(Request(self.address + path, body, headers), timeout=60) as answer:
                return answer.status
        except HTTPError as error:
            return error.code

    def run(self, command, **environment):
        """Runs a shell command as the documentation gives it."""
        return subprocess.run(
            ["sh", "-c", command],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=300,
        )


def in_environment(address):
    """The settings of PostgreSQL's clients for the server of an address."""
    parts = urlsplit(address)
    settings = {"HOST": parts.hostname, "USER": parts.username, "PASSWORD": parts.password}
    return {f"PG{name}": value for name, value in settings.items()} | {"PGPORT": str(parts.port)}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(address, process, log):
    for _ in range(6000):
        try:
            with build_opener().open(address, timeout=5):
                return
        except (URLError, OSError):
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(f"no answer: {log.read_text()}")


@pytest.fixture(scope="module")
def postgres():
    """A PostgreSQL server of its own: the address of its databases."""
    root = os.geteuid() == 0  # initdb refuses root
    prefix = NOBODY if root else ()
    folder = Path(tempfile.mkdtemp(prefix="zoo-team-"))
    if root:
        shutil.chown(folder, "nobody", "nogroup")
    password = folder / "password"
    password.write_text(PASSWORD)
    data, port = folder / "data", free_port()
    initdb = [POSTGRES / "initdb", "-D", data, "-U", "mlflow", "-A", "scram-sha-256", "-N"]
    initdb += [f"--pwfile={password}", "-E", "UTF8", "--locale=C"]
    options = f"-p {port} -k '' -c listen_addresses=127.0.0.1 -c fsync=off"
    control = [*prefix, POSTGRES / "pg_ctl", "-D", data, "-w"]
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder}
    subprocess.run([*prefix, *initdb], **quiet)
    subprocess.run([*control, "-l", folder / "log", "-o", options, "start"], **quiet)
    try:
        yield f"postgresql://mlflow:{PASSWORD}@127.0.0.1:{port}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def team(postgres, tmp_path_factory):
    """PostgreSQL, moto and `mlflow/serve.sh`, on loopback."""
    folder = tmp_path_factory.mktemp("team")
    # The entry points of this source tree, whatever is installed.
    metadata = folder / "zoo_apps-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-apps\nVersion: 0\n")
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    apps = project.partition('[project.entry-points."mlflow.app"]')[2].partition("\n\n")[0]
    lines = [line.replace('"', "") for line in apps.strip().splitlines()]
    (metadata / "entry_points.txt").write_text("\n".join(["[mlflow.app]", *lines]))
    store, port = free_port(), free_port()
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{POSTGRES}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{folder}",
        "TMPDIR": str(folder),
        "ZOO_HOME": str(folder / "home"),
        "AWS_ACCESS_KEY_ID": "team",
        "AWS_SECRET_ACCESS_KEY": PASSWORD,
        "AWS_DEFAULT_REGION": "us-east-1",
        "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{store}",
        "MLFLOW_BACKEND_STORE_URI": f"{postgres.replace('://', '+psycopg2://')}/mlflow",
        "MLFLOW_ARTIFACTS_DESTINATION": "s3://mlflow",
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "any random text",
    }
    subprocess.run([POSTGRES / "psql", f"{postgres}/postgres", "-qc", "CREATE DATABASE mlflow"])
    log, processes = folder / "log", []
    moto = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(store)]
    serve = ["sh", "mlflow/serve.sh", "--host", "127.0.0.1", "--port", str(port)]
    address = f"http://127.0.0.1:{port}"
    try:
        with log.open("w") as output:
            for command, page in (
                (moto, f"http://127.0.0.1:{store}"),
                (serve, f"{address}/health"),
            ):
                process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=environment,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
                processes.append(process)
                wait_for(page, process, log)
        yield Team(address, postgres, f"http://127.0.0.1:{store}", environment)
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_only_members_get_in(team):
    search, body = "/api/2.0/mlflow/experiments/search", b'{"max_results": 1}'
    admin = ("admin", PASSWORD)
    assert team.ask(search, admin, body) == team.ask("/", admin) == 200
    for account in (None, ("admin", "password"), ("admin", "password1234"), ("nobody", PASSWORD)):
        for path in (search, "/api/2.0/mlflow-artifacts/artifacts/x", "/graphql", "/version"):
            assert team.ask(path, account, body) == 401, (account, path)
        assert team.ask("/", account) == 401
    assert team.ask("/ajax-api/3.0/mlflow/assistant/config", admin) == 404
    # A member, whom the administrator makes.
    create, member = (
        "/api/2.0/mlflow/users/create",
        b'{"username":"kim","password":"long-enough-1"}',
    )
    assert team.ask(create, None, member) == 401
    assert team.ask(create, admin, member) == 200
    assert team.ask(search, ("kim", "long-enough-1"), body) == 200
    assert team.ask(create, ("kim", "long-enough-1"), member) == 403


def test_there_is_no_default_password(team):
    for name in ("MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY"):
        result = team.run("sh mlflow/serve.sh", **{name: ""})
        assert result.returncode == 2 and f"{name}: set it to" in result.stderr


@pytest.mark.parametrize("store", ["server", "sqlite"])
def test_ten_runs_at_once_lose_nothing(team, store, tmp_path):
    from mlflow import MlflowClient

    account = team.address.replace("://", f"://admin:{PASSWORD}@")
    uri = account if store == "server" else f"sqlite:///{tmp_path}/mlflow.db"
    script = tmp_path / "ten.py"
    script.write_text(TEN_RUNS)
    result = team.run(f"exec '{sys.executable}' '{script}'", MLFLOW_TRACKING_URI=uri)
    assert result.returncode == 0, result.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        patch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
        client = MlflowClient(team.address if store == "server" else uri)
        experiment = client.get_experiment_by_name("ten")
        runs = client.search_runs([experiment.experiment_id])
        assert sorted(run.data.params["number"] for run in runs) == sorted(map(str, range(10)))
        assert {run.info.status for run in runs} == {"FINISHED"}

        def check(run):
            number = int(run.data.params["number"])
            for i in (0, 19):
                history = client.get_metric_history(run.info.run_id, f"train/{i}")
                assert [it.value for it in history] == [number + step + i for step in range(1, 6)]
            path = client.download_artifacts(run.info.run_id, "notes.md", str(tmp_path))
            assert Path(path).read_text() == f"written by {number}"

        for run in runs:
            check(run)
    if store == "server":
        import boto3

        s3 = boto3.client(
            "s3",
            endpoint_url=team.store,
            region_name="us-east-1",
            aws_access_key_id="team",
            aws_secret_access_key=PASSWORD,
        )
        keys = [it["Key"] for it in s3.list_objects_v2(Bucket="mlflow")["Contents"]]
        assert sum(key.endswith("/notes.md") for key in keys) == 10


def test_a_backup_can_be_restored(team, tmp_path):
    from mlflow import MlflowClient

    source, copy = f"{team.database}/mlflow", f"{team.database}/copy"
    dump = f"pg_dump --format=custom --file={tmp_path}/mlflow.dump mlflow"
    restore = f"pg_restore --no-owner --dbname=copy {tmp_path}/mlflow.dump"
    result = team.run(f"{dump} && createdb copy && {restore}", **in_environment(source))
    assert result.returncode == 0, result.stderr
    clients = [MlflowClient(uri.replace("://", "+psycopg2://")) for uri in (source, copy)]
    names = [[it.name for it in client.search_experiments()] for client in clients]
    assert names[0] == names[1]
    users = [f"psql -Atc 'SELECT username FROM users ORDER BY id' {uri}" for uri in (source, copy)]
    assert team.run(users[0]).stdout == team.run(users[1]).stdout != ""


def test_a_database_of_an_older_version_is_upgraded(team, monkeypatch):
    import sqlalchemy
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow import MlflowClient
    from mlflow.store.db.utils import InitialBase, _get_alembic_config

    from zoo.tracking import prepare_store

    team.run(f"psql -qc 'CREATE DATABASE old' {team.database}/mlflow")
    uri = f"{team.database}/old".replace("://", "+psycopg2://")
    engine = sqlalchemy.create_engine(uri)
    InitialBase.metadata.create_all(engine)
    engine.dispose()
    config = _get_alembic_config(uri)
    older = list(ScriptDirectory.from_config(config).walk_revisions())[1].revision
    command.upgrade(config, older)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    without = uri.replace(f":{PASSWORD}@", "@")  # which every user of the machine can read
    assert team.run(f"mlflow db upgrade {without}", **in_environment(uri)).returncode == 0
    prepare_store()  # refuses any other version than that of the installed MLflow
    assert MlflowClient(uri).create_experiment("after") == "1"
