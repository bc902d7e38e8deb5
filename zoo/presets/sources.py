"""Resolves the source of a preset to a checked local directory."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo import tracking_store
from zoo.extras import need
from zoo.files import atomic_directory
from zoo.home import home
from zoo.presets import builtin
from zoo.presets.card import CARD_FILE, README_FILE, PresetError, digest_of, is_inside
from zoo.presets.validation import CONFIG_FILE, check, hash_files, sha256

MLMODEL_FILE, FLAVOR = "MLmodel", "zoo"
_UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # codes of MLflow's errors
# Files to download from a repository.
_WANTED = ["*.json", "*.h5", "*.md", "assets/**"]


def resolve(source: str | Path) -> Path:
    """Finds or downloads a preset, and checks it.

    Downloads are cached in the folder `models` of the zoo's home, by their content.

    Args:
        source: The name of a pretrained model; a directory; `models:/NAME@ALIAS`,
            `models:/NAME/VERSION` or `runs:/RUN/PATH` of MLflow; `hf://OWNER/NAME` of Hugging
            Face; or `kaggle://OWNER/NAME/keras/VARIATION` of Kaggle.

    Returns:
        A directory whose files match their checksums and whose configuration names only the
        classes of the zoo and KerasHub that it needs. No code of the preset has run.

    Raises:
        PresetError: if the preset does not exist, could not be downloaded, is damaged, or was
            refused.
        MissingExtra: if the package that downloads from that hub is not installed.
    """
    directory = _locate(source).resolve()
    check(directory)
    return directory


def _locate(source):
    if isinstance(source, Path):
        return _directory(source)
    scheme, colon, rest = source.partition(":/")
    if not colon:
        is_path = "/" in source or "\\" in source or source in (".", "..")
        is_builtin = not is_path and (builtin.PRETRAINED / source).is_dir()
        if is_path or (Path(source).is_dir() and source and not is_builtin):
            return _directory(Path(source))
        return builtin.find(source)
    if scheme in ("models", "runs"):
        return _cached(_from_mlflow, source)
    if scheme == "hf" and rest.startswith("/"):
        return _cached(_from_hugging_face, rest.strip("/"))
    if scheme == "kaggle" and rest.startswith("/"):
        return _cached(_from_kaggle, rest.strip("/"))
    if Path(source).is_dir():
        return Path(source)
    raise PresetError(
        "The source of a preset is a model's name, a directory, or a URI that begins with "
        f"models:/, runs:/, hf:// or kaggle://. Received: {source!r}"
    )


def _directory(path):
    path = path.expanduser()
    if path.is_dir():
        return path
    raise PresetError(f"There is no such preset directory. Received: {path}")


def _cached(fetch: Callable[[str, Path], Path], name: str) -> Path:
    """Fetches a preset into the cache, whose folders are named by their content's digest."""
    models = home() / "models"
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models, prefix=".fetching-") as folder:
        download, fetched = Path(folder, "download"), Path(folder, "preset")
        download.mkdir()
        # Hub caches hold symbolic links; copytree copies their targets.
        shutil.copytree(fetch(name, download), fetched, ignore=shutil.ignore_patterns(".*"))
        digest = _content(fetched)
        cached = models / digest[:32]
        if not cached.is_dir() or _content(cached) != digest:
            with atomic_directory(cached, overwrite=True) as temporary:
                shutil.copytree(fetched, temporary, dirs_exist_ok=True)
    return cached


def _content(directory):
    """SHA-256 of all files of a preset; a corrected card is another preset."""
    texts = [name for name in (CARD_FILE, README_FILE) if (directory / name).is_file()]
    return digest_of(hash_files(directory) | {name: sha256(directory / name) for name in texts})


def _from_mlflow(uri, folder):
    """The preset in a logged model. No other file of the model is used, and no code is run."""
    need("train", f"{uri}, a model of MLflow,", "mlflow")
    import mlflow.artifacts
    import yaml
    from mlflow.exceptions import MlflowException

    from zoo.safe_yaml import read_yaml

    store = tracking_store.prepare_store()
    hint = "zoo registry ls" if uri.startswith("models:") else "zoo ui"
    with _downloading(uri, hint):
        try:
            path = mlflow.artifacts.download_artifacts(
                artifact_uri=uri, dst_path=str(folder), tracking_uri=store
            )
        except MlflowException as error:
            if error.error_code not in _UNKNOWN:
                raise
            raise PresetError(
                f"The store has no such model: {error.message}. Received: {uri}", hint=hint
            ) from error
    model = Path(path)
    description = model / MLMODEL_FILE
    if not description.is_file():
        if (model / CONFIG_FILE).is_file():  # a preset that was logged as plain files
            return model
        raise PresetError(
            f"An MLflow model contains a file {MLMODEL_FILE}: give the URI of a model that "
            f"the zoo logged. Received: {uri}"
        )
    try:
        flavor = read_yaml(description.read_text("utf-8"))["flavors"][FLAVOR]
        inside = flavor["preset"]
    except (yaml.YAMLError, ValueError, KeyError, TypeError) as error:
        raise PresetError(
            f"The model must have the flavor {FLAVOR!r} with the path of its preset: it was "
            f"not logged by the zoo, or is damaged. Received: {uri}"
        ) from error
    if not is_inside(inside) or not (model / inside).is_dir():
        raise PresetError(
            f"The preset must be a folder inside the model. Received: preset={inside!r} in {uri}"
        )
    return model / inside


def _from_hugging_face(name, folder):
    if name.count("/") != 1:
        raise PresetError(
            f"A Hugging Face model has the form hf://OWNER/NAME. Received: hf://{name}"
        )
    need("huggingface", f"hf://{name}, a model of Hugging Face,", "huggingface_hub")
    import huggingface_hub

    with _downloading(f"hf://{name}"):
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=_WANTED))


def _from_kaggle(name, folder):
    import kagglehub

    if name.count("/") not in (3, 4):
        raise PresetError(
            "A Kaggle model has the form kaggle://OWNER/NAME/keras/VARIATION[/VERSION]. "
            f"Received: kaggle://{name}"
        )
    with _downloading(f"kaggle://{name}"):
        return Path(kagglehub.model_download(name))


@contextmanager
def _downloading(source: str, hint: str | None = None) -> Iterator[None]:
    try:
        yield
    except PresetError:
        raise
    except Exception as error:
        raise PresetError(
            "The preset could not be downloaded: check the URI, the network, and your "
            f"permission to read it. Received: {source} ({type(error).__name__}: {error})",
            hint=hint,
        ) from error
