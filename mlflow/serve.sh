#!/bin/sh
# Starts MLflow for a team, with accounts: runs in a database, files in an S3-compatible store. All
# settings come from the environment; README.md beside this file explains them.
#
#   sh mlflow/serve.sh --host 0.0.0.0 --port 5000
set -eu
umask 077
: "${MLFLOW_BACKEND_STORE_URI:?set it to the address of the database}"
: "${MLFLOW_ARTIFACTS_DESTINATION:?set it to a bucket, such as s3://mlflow, or a folder}"
: "${MLFLOW_AUTH_ADMIN_PASSWORD:?set it to the password of the account admin}"
: "${MLFLOW_FLASK_SERVER_SECRET_KEY:?set it to a random text, and keep it}"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false

# The bucket, unless it exists; and the settings of the accounts, which are in the same database.
# They hold its password: the file is removed when the server ends.
MLFLOW_AUTH_CONFIG_PATH=$(mktemp)
export MLFLOW_AUTH_CONFIG_PATH
server=
stop() {
  if [ -n "$server" ]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" || true
  fi
  exit "$1"
}
trap 'rm -f "$MLFLOW_AUTH_CONFIG_PATH"' EXIT
trap 'stop 129' HUP
trap 'stop 130' INT
trap 'stop 143' TERM
python - <<'END'
import configparser
import os
from urllib.parse import urlsplit

store = urlsplit(os.environ["MLFLOW_ARTIFACTS_DESTINATION"])
if store.scheme == "s3":
    import boto3
    from botocore.exceptions import ClientError

    s3 = boto3.client("s3", endpoint_url=os.environ.get("MLFLOW_S3_ENDPOINT_URL"))
    try:
        s3.head_bucket(Bucket=store.netloc)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
            raise
        region, options = s3.meta.region_name, {}
        if region not in (None, "us-east-1", "aws-global"):  # S3 refuses its default
            options["CreateBucketConfiguration"] = {"LocationConstraint": region}
        s3.create_bucket(Bucket=store.netloc, **options)

config = configparser.ConfigParser(interpolation=None)
config["mlflow"] = {
    "database_uri": os.environ["MLFLOW_BACKEND_STORE_URI"].replace("%", "%%"),
    "admin_username": "admin",
    "default_permission": "EDIT",  # of each member in the experiments of the others
    "auth_cache_ttl_seconds": "60",  # a password is checked once a minute
}
with open(os.environ["MLFLOW_AUTH_CONFIG_PATH"], "w") as file:
    config.write(file)
END

mlflow server --app-name zoo-accounts --workers 1 "$@" &
server=$!
wait "$server"
