"""Serves one model over HTTP: `zoo serve`."""

from zoo.extras import need

need("serve", "Serving")
