"""`python -m zoo.cli`, for where the console script is not on the path."""

import sys

from zoo.cli.program import main

sys.exit(main())
