"""Fast recurrence: the only package of layers whose arithmetic differs by backend."""

from zoo.layers.recurrence.dispatch import cell_of, run_recurrent
from zoo.layers.recurrence.scanning import scan, scan_states

__all__ = ["cell_of", "run_recurrent", "scan", "scan_states"]
