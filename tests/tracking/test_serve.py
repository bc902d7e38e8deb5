"""`mlflow/serve.sh` with stand-ins for MLflow and boto3: the bucket, and the file of a password."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BOTO3 = """
import os
from types import SimpleNamespace
from botocore.exceptions import ClientError

class S3:
    meta = SimpleNamespace(region_name=os.environ["AWS_DEFAULT_REGION"])

    def head_bucket(self, Bucket):
        if code := os.environ["HEAD"]:
            raise ClientError({"Error": {"Code": code}}, "HeadBucket")

    def create_bucket(self, **arguments):
        print(arguments, flush=True)

def client(name, endpoint_url):
    return S3()
"""
BOTOCORE = """
class ClientError(Exception):
    def __init__(self, response, operation):
        super().__init__(response)
        self.response = response
"""
MLFLOW = """#!/bin/sh
test -s "$MLFLOW_AUTH_CONFIG_PATH" && echo "$@"
[ -z "$STAYS" ] || exec sleep 60
exit 3
"""

pytestmark = pytest.mark.once


@pytest.fixture
def serve(tmp_path):
    """Function that starts `serve.sh` with stand-ins, and its folder for temporary files."""
    (tmp_path / "botocore").mkdir()
    (tmp_path / "botocore" / "__init__.py").touch()
    (tmp_path / "botocore" / "exceptions.py").write_text(BOTOCORE)
    (tmp_path / "boto3.py").write_text(BOTO3)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mlflow").write_text(MLFLOW)
    (tmp_path / "bin" / "mlflow").chmod(0o755)
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "tmp").mkdir()
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(tmp_path),
        "TMPDIR": str(tmp_path / "tmp"),
        "MLFLOW_BACKEND_STORE_URI": "postgresql://mlflow:secret@localhost/mlflow",
        "MLFLOW_ARTIFACTS_DESTINATION": "s3://mlflow",
        "MLFLOW_AUTH_ADMIN_PASSWORD": "secret",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "secret",
    }

    def serve(head="", region="us-east-1", stays=""):
        return subprocess.Popen(
            ["sh", str(ROOT / "mlflow" / "serve.sh"), "--port", "5000"],
            env=environment | {"HEAD": head, "AWS_DEFAULT_REGION": region, "STAYS": stays},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A background job ignores SIGINT, and what it starts would too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    serve.temporary = tmp_path / "tmp"
    return serve


@pytest.mark.parametrize(
    ("head", "region", "made"),
    [
        ("", "us-east-1", ""),
        ("404", "us-east-1", "{'Bucket': 'mlflow'}\n"),
        (
            "404",
            "ap-northeast-2",
            "{'Bucket': 'mlflow', 'CreateBucketConfiguration': "
            "{'LocationConstraint': 'ap-northeast-2'}}\n",
        ),
    ],
)
def test_the_bucket_is_made_in_its_region(serve, head, region, made):
    process = serve(head, region)
    shown, said = process.communicate(timeout=60)
    assert shown == made + "server --app-name zoo-accounts --workers 1 --port 5000\n", said
    assert process.returncode == 3 and not list(serve.temporary.iterdir())


def test_a_bucket_of_others_is_refused(serve):
    process = serve("403")
    shown, said = process.communicate(timeout=60)
    assert process.returncode == 1 and not shown and "403" in said
    assert not list(serve.temporary.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_server_leaves_no_password(serve, number):
    process = serve(stays="yes")
    assert process.stdout.readline().startswith("server")
    begin = time.monotonic()
    process.send_signal(number)
    assert process.wait(30) == 128 + number and time.monotonic() - begin < 30
    assert not list(serve.temporary.iterdir())
