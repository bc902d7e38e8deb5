"""HTML pages without external resources; the modules are named as those that draw the same."""
