"""The end of a run that is not worth going on with; imports no Keras."""


class Pruned(Exception):
    """Training that is given up because it does worse than other runs of a sweep.

    Attributes:
        run_id: Id of its run, once that has ended.
    """

    run_id: str | None = None
