"""The zoo's home folder, for downloads, runs, checkpoints and caches."""

import os
from pathlib import Path


class HomeError(RuntimeError):
    """Error for a user without a home folder."""

    hint = "export ZOO_HOME=/a/folder/of/yours"


def home() -> Path:
    """The home folder: `$ZOO_HOME`, or `~/.zoo` if that is unset or empty.

    Returns:
        An absolute path. The folder may not exist yet; its sub-folders are created when they are
        first used: `checkpoints` (training runs that can be resumed), `data` (datasets), `models`
        (downloaded presets), `pictures` (preprocessed images), `runs` (MLflow's database and
        artifacts), `teachers` (answers of models from which others learn), `temporary` (of runs in
        progress) and `vectors` (word vectors that recipes find by name).

    Raises:
        HomeError: if `~` is needed and the user has no home folder, as in a container that runs
            under a user id without a name.
    """
    folder = os.environ.get("ZOO_HOME")
    try:
        return Path(folder).expanduser().absolute() if folder else Path.home() / ".zoo"
    except RuntimeError as error:
        raise HomeError(
            "Downloads and runs need a folder, and this user has no home folder (HOME is not set): "
            f"set ZOO_HOME to the path of a folder. Received: ZOO_HOME={folder or ''}"
        ) from error


def provide_home() -> None:
    """Sets HOME to the zoo's home for a user without a home folder.

    KerasHub, matplotlib and MLflow need one when they are imported.

    Raises:
        HomeError: if ZOO_HOME is not set either.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(home())
