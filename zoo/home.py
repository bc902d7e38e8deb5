"""The zoo's home folder, for downloads, runs, checkpoints and caches."""

import os
from pathlib import Path


def home() -> Path:
    """The home folder: `$ZOO_HOME`, or `~/.zoo` if that is unset or empty.

    Returns:
        An absolute path. The folder may not exist yet; its sub-folders are created when they are
        first used: `checkpoints` (training runs that can be resumed), `data` (datasets), `models`
        (downloaded presets), `pictures` (preprocessed images) and `runs` (MLflow's database and
        artifacts).
    """
    folder = os.environ.get("ZOO_HOME")
    return Path(folder).expanduser().absolute() if folder else Path.home() / ".zoo"
