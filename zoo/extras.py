"""Optional packages: the extras of `seqzoo` that install them."""

from importlib.util import find_spec

METRICS = (
    "sacrebleu", "seqeval", "sklearn", "jiwer", "rapidfuzz", "rouge_score", "sacremoses", "scipy",
)  # fmt: skip
# Modules of each extra, as they are imported. The first ones are named if many are missing.
MODULES = {
    "tensorflow": ("tensorflow", "tensorflow_text", "keras_hub"),
    "jax": ("jax",),
    "torch": ("torch",),
    "draw": ("matplotlib",),
    "huggingface": ("huggingface_hub", "safetensors"),
    "onnx": ("tf2onnx", "onnxruntime"),
    "ray": ("ray", "optuna"),
    "score": ("pyspark", "pyarrow"),
    "serve": ("mlflow", "fastapi", "uvicorn"),
    "speech": ("soundfile", "soxr"),
    "sweep": ("optuna",),
    "train": ("mlflow", *METRICS, "pandas", "sqlalchemy", "fastapi", "uvicorn"),
    "vectors": ("gensim",),
}
SHOWN = 3


class MissingExtra(ImportError):
    """Error for packages that are not installed.

    Args:
        message: What needs them, and the command that installs them.
        hint: That command.
    """

    def __init__(self, message: str, hint: str):
        super().__init__(message)
        self.hint = hint


def is_installed(module: str) -> bool:
    """True if a module can be imported; it is not imported.

    A folder without code, such as `mlflow` in this project's repository, is no such module.
    """
    spec = find_spec(module)
    return spec is not None and spec.origin is not None


def install(extra: str) -> str:
    """The command that installs an extra.

    >>> install("train")
    'pip install "seqzoo[train]"'
    """
    return f'pip install "seqzoo[{extra}]"'


def need(extra: str, user: str, *modules: str) -> None:
    """Checks that packages of an extra are installed, before they are imported.

    Args:
        extra: A name of `MODULES`.
        user: What needs them, as the message begins: `"Training"`.
        *modules: The modules that it needs. Defaults to all of the extra.

    Raises:
        MissingExtra: if one is missing, with the command that installs the extra.
    """
    missing = [name for name in modules or MODULES[extra] if not is_installed(name)]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        named = ", ".join(missing[:SHOWN]) + more
        verb, command = "is" if len(missing) == 1 else "are", install(extra)
        raise MissingExtra(f"{user} needs {named}, which {verb} not installed: {command}", command)
