"""Runs whose training has ended, but whose model the tracking store does not have yet."""

from zoo.home import home
from zoo.training.checkpoint import STATE_FILE, Checkpoint, CheckpointError, RunManifest
from zoo.training.lease import LeaseError, refuse_if_held


def find_unsent() -> list[RunManifest]:
    """Finds the runs, by their checkpoints. Those in progress and damaged ones are left out."""
    found = []
    for state in sorted((home() / "checkpoints").glob(f"*/{STATE_FILE}")):
        checkpoint = Checkpoint(state.parent.name)
        try:
            refuse_if_held(checkpoint.folder)
            manifest, progress = checkpoint.read_manifest(), checkpoint.progress()
        except (LeaseError, CheckpointError):
            continue
        settings = manifest.config["training"]
        if progress.is_over(*(settings[name] for name in ("epochs", "max_steps", "patience"))):
            found.append(manifest)
    return found
