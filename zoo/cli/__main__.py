"""Runs `python -m zoo.cli`, for environments without the console script on the path."""

import sys

from zoo.cli.program import main

sys.exit(main())
