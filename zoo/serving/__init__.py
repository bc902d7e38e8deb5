"""Serves one model over HTTP: `zoo serve`."""
