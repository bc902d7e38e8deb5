"""From what a user names to a checked directory on this machine."""

import importlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.files import atomic_directory
from zoo.home import home
from zoo.presets import builtin
from zoo.presets.card import PresetError, digest_of, is_inside
from zoo.presets.validation import CONFIG_FILE, check, hash_files

MLMODEL_FILE, FLAVOR = "MLmodel", "zoo"
# What a hub may send: nothing else of a repository is fetched.
_WANTED = ["*.json", "*.h5", "*.md", "assets/**"]


def resolve(source: str | Path) -> Path:
    """Finds or downloads a preset, and checks it.

    What is downloaded is kept in the `models` folder of the zoo's home, by its content.

    Args:
        source: The name of a pretrained model; a directory; `models:/NAME@ALIAS`,
            `models:/NAME/VERSION` or `runs:/RUN/PATH` of MLflow; `hf://OWNER/NAME` of Hugging
            Face; or `kaggle://OWNER/NAME/keras/VARIATION` of Kaggle.

    Returns:
        A directory in which every file is as its card says, and which asks for no class but
        the zoo's own, KerasHub's, and Keras' layers. Nothing of it has been run.

    Raises:
        PresetError: if there is no such preset, it could not be downloaded, is damaged, or was
            refused.
        ImportError: if the package that downloads from there is not installed.
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
        in_catalogue = (builtin.PRETRAINED / source).is_dir() if not is_path else False
        if is_path or (Path(source).is_dir() and source and not in_catalogue):
            return _directory(Path(source))
        return builtin.find(source)
    if scheme in ("models", "runs"):
        return _kept(_from_mlflow, source)
    if scheme == "hf" and rest.startswith("/"):
        return _kept(_from_hugging_face, rest.strip("/"))
    if scheme == "kaggle" and rest.startswith("/"):
        return _kept(_from_kaggle, rest.strip("/"))
    if Path(source).is_dir():
        return Path(source)
    raise PresetError(
        "A preset is named by a model's name, a directory, or an address that begins with "
        f"models:/, runs:/, hf:// or kaggle://. Received: {source!r}"
    )


def _directory(path):
    path = path.expanduser()
    if path.is_dir():
        return path
    raise PresetError(f"There is no such directory of a preset. Received: {path}")


def _kept(fetch: Callable[[str, Path], Path], name: str) -> Path:
    """What `fetch` brings, kept once for each content."""
    models = home() / "models"
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models, prefix=".fetching-") as folder:
        download, fetched = Path(folder, "download"), Path(folder, "preset")
        download.mkdir()
        # Caches hold links: what they point to is copied.
        shutil.copytree(fetch(name, download), fetched, ignore=shutil.ignore_patterns(".*"))
        digest = digest_of(hash_files(fetched))
        kept = models / digest[:32]
        if not kept.is_dir() or digest_of(hash_files(kept)) != digest:
            with atomic_directory(kept, overwrite=True) as beside:
                shutil.copytree(fetched, beside, dirs_exist_ok=True)
    return kept


def _from_mlflow(uri, folder):
    """The preset in a logged model. Nothing else in it is looked at, and no code is run."""
    import mlflow.artifacts
    import yaml

    from zoo.tracking import prepare_store

    store = prepare_store()
    with _downloading(uri):
        path = mlflow.artifacts.download_artifacts(
            artifact_uri=uri, dst_path=str(folder), tracking_uri=store
        )
    model = Path(path)
    description = model / MLMODEL_FILE
    if not description.is_file():
        if (model / CONFIG_FILE).is_file():  # a preset logged as plain files
            return model
        raise PresetError(
            f"A model of MLflow holds a file {MLMODEL_FILE}: give the address of a model that "
            f"the zoo logged. Received: {uri}"
        )
    try:
        flavor = yaml.safe_load(description.read_text("utf-8"))["flavors"][FLAVOR]
        inside = flavor["preset"]
    except (yaml.YAMLError, ValueError, KeyError, TypeError) as error:
        raise PresetError(
            f"The model must have the flavor {FLAVOR!r}, which says where its preset lies: it was "
            f"not logged by the zoo, or is damaged. Received: {uri}"
        ) from error
    if not is_inside(inside) or not (model / inside).is_dir():
        raise PresetError(
            f"The preset must be a folder in the model. Received: preset={inside!r} in {uri}"
        )
    return model / inside


def _from_hugging_face(name, folder):
    hub = _package("huggingface_hub", f"hf://{name}")
    if name.count("/") != 1:
        raise PresetError(
            f"A model of Hugging Face is named hf://OWNER/NAME. Received: hf://{name}"
        )
    with _downloading(f"hf://{name}"):
        return Path(hub.snapshot_download(name, allow_patterns=_WANTED))


def _from_kaggle(name, folder):
    hub = _package("kagglehub", f"kaggle://{name}")
    if name.count("/") not in (3, 4):
        raise PresetError(
            "A model of Kaggle is named kaggle://OWNER/NAME/keras/VARIATION[/VERSION]. "
            f"Received: kaggle://{name}"
        )
    with _downloading(f"kaggle://{name}"):
        return Path(hub.model_download(name))


def _package(name, source):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"Loading from there needs the package {name}: `pip install {name}`. Received: {source}"
        ) from error


@contextmanager
def _downloading(source) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise PresetError(
            "The preset could not be downloaded: check its address, the network, and whether "
            f"you may read it. Received: {source} ({type(error).__name__}: {error})"
        ) from error
