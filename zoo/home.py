"""The folder of downloads, checkpoints and runs."""

import os
from pathlib import Path


def home() -> Path:
    """The zoo's folder: `$ZOO_HOME`, or `~/.zoo` if that is unset or empty.

    Returns:
        An absolute path. The folder may not exist yet. Its sub-folders are created when needed:
        `data` (downloaded datasets), `runs` (the embedded tracking store), `checkpoints` (of
        training runs) and `models` (downloaded presets).
    """
    folder = os.environ.get("ZOO_HOME")
    return Path(folder).expanduser().absolute() if folder else Path.home() / ".zoo"
