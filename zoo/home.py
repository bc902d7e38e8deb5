"""Where the zoo keeps what it downloads, trains and tracks."""

import os
from pathlib import Path


def home() -> Path:
    """The zoo's own folder: `$ZOO_HOME`, or `~/.zoo` where that is unset or empty.

    Returns:
        An absolute path; the folder need not exist yet. Its sub-folders are
        `data`, `runs`, `checkpoints` and `models`, each made by who fills it.
    """
    folder = os.environ.get("ZOO_HOME")
    return Path(folder).expanduser().absolute() if folder else Path.home() / ".zoo"
