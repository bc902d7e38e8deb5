"""Draws the packages of the zoo and the imports among them, read from the source.

    python docs/architecture.py [FILE]      # by default docs/architecture.svg

A package is drawn above all that it imports. Arrows that a chain of others implies are left out,
and those to the ground floor. `tests/test_layout.py` checks the same imports against the floors
below, and that the picture is current.
"""

import ast
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import unescape

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "architecture.svg"

# From the ground up. A package may import what stands on a lower floor, and itself; a module of the
# ground floor those named before it. `zoo` is the public face, `zoo/__init__.py`, which imports
# `zoo.presets` when a name of it is used.
FLOORS = (
    (
        "checks",
        "unicode",
        "choices",
        "conflicts",
        "tags",
        "suggestions",
        "terminal",
        "home",
        "extras",
        "backends",
        "files",
        "processes",
        "images",
        "audio",
        "safe_yaml",
        "sampling_options",
        "search_options",
        "tasks",
    ),
    ("layers", "decoding", "tokenizers", "metrics", "explain", "data"),
    ("models", "tracking_store", "vectors"),
    ("presets",),
    ("zoo",),
    ("exporting", "importing", "tracking"),
    ("training", "serving", "scoring"),
    ("cli", "recipes"),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
# What a package imports has a lower rank.
RANK = {
    name: (0, FLOORS[0].index(name)) if number == 0 else (number, 0)
    for name, number in FLOOR.items()
}
# Where the middle of a box is drawn, in inches from the left, such that no arrow crosses a box.
COLUMNS = {
    "layers": 0.75, "decoding": 2.05, "tokenizers": 3.35, "metrics": 4.65, "explain": 5.95,
    "data": 7.25, "models": 3.35, "presets": 3.35, "zoo": 3.35, "exporting": 2.05,
    "importing": 0.75, "tracking": 4.4, "training": 5.75, "tracking_store": 6.3, "cli": 3.35,
    "recipes": 7.25, "vectors": 4.9, "serving": 4.4, "scoring": 7.1,
}  # fmt: skip
WIDTH, BOX_WIDTH, BOX_HEIGHT, FLOOR_HEIGHT = 8.0, 1.1, 0.36, 0.72
INK, LINE, FILL, BAND = "#1f2430", "#5b6b8c", "#e3eafa", "#f6f7f9"


@dataclass(frozen=True)
class Import:
    """One import of a module of this project by another.

    Attributes:
        importer, imported: The modules' dotted names; a package is its `__init__.py`.
        place: The file and the line, `zoo/cli/program.py:12`.
        lazy: bool. Whether it stands in a function, and runs when that is called.
    """

    importer: str
    imported: str
    place: str
    lazy: bool


def read_imports(root: Path = ROOT) -> list[Import]:
    """The imports among the modules of `zoo` and `recipes`.

    Those under `if TYPE_CHECKING` are left out: they never run.
    """
    files = {
        _module_name(path.relative_to(root)): path
        for top in ("zoo", "recipes")
        for path in sorted((root / top).rglob("*.py"))
    }
    found = []
    for importer, path in files.items():
        tree = ast.parse(path.read_text("utf-8"))
        for node, lazy in _import_nodes(tree):
            for imported in _imported_modules(node, files):
                place = f"{path.relative_to(root)}:{node.lineno}"
                found.append(Import(importer, imported, place, lazy))
    return found


def package(module: str) -> str:
    """The package of a module as `FLOORS` names it: `layers` for `zoo.layers.attention.base`."""
    top, _, rest = module.partition(".")
    return rest.partition(".")[0] or top if top == "zoo" else top


def arrows(imports: Iterable[Import]) -> list[tuple[str, str]]:
    """The arrows of the picture: pairs of a package and one that it imports, sorted."""
    pairs = {(package(it.importer), package(it.imported)) for it in imports}
    down = sorted((one, other) for one, other in pairs if FLOOR[one] > FLOOR[other] > 0)
    return _without_implied(down)


def drawn_arrows(path: Path = PICTURE) -> list[tuple[str, str]]:
    """The arrows of a picture, read from its metadata."""
    text = re.search(r"<dc:description>(.*?)</dc:description>", path.read_text("utf-8"), re.S)[1]
    return [tuple(line.split(" imports ")) for line in unescape(text).strip().split("\n")]


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _import_nodes(node: ast.AST, lazy: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """The imports below a node, and whether a function holds them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield from _import_nodes(other, lazy)
        elif isinstance(child, (ast.Import, ast.ImportFrom)) or _is_import_call(child):
            yield child, lazy
        else:
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
            yield from _import_nodes(child, lazy or function)


def _is_import_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module")


def _imported_modules(node: ast.AST, files: dict[str, Path]) -> set[str]:
    """The modules of this project that an import names; one made up at run time names none.

    `from zoo.data import tables` names the module `zoo.data.tables`; `from zoo.data import load`
    the package `zoo.data`.
    """
    if isinstance(node, ast.Call):
        names = [name.value for name in node.args if isinstance(name, ast.Constant)]
    elif isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        names = [
            submodule if (submodule := f"{node.module}.{alias.name}") in files else node.module
            for alias in node.names
        ]
    return {name for name in names if name in files}


def _without_implied(edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The edges that no chain of others implies: the transitive reduction."""
    below: dict[str, set[str]] = {}
    for one, other in edges:
        below.setdefault(one, set()).add(other)

    def reaches(start: str, end: str) -> bool:
        return any(one == end or reaches(one, end) for one in below.get(start, ()))

    return [
        (one, other)
        for one, other in edges
        if not any(reaches(step, other) for step in below[one] - {other})
    ]


def draw(drawn: list[tuple[str, str]], path: Path = PICTURE) -> None:
    """Draws the packages on their floors, the ground floor as one box, and arrows."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
    from matplotlib.path import Path as Curve

    figure = Figure(figsize=(WIDTH, FLOOR_HEIGHT * len(FLOORS)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(0, FLOOR_HEIGHT * len(FLOORS)))
    axes.axis("off")
    for number in range(0, len(FLOORS), 2):
        axes.axhspan(FLOOR_HEIGHT * number, FLOOR_HEIGHT * (number + 1), color=BAND)

    def middle(name: str) -> tuple[float, float]:
        return COLUMNS[name], FLOOR_HEIGHT * (FLOOR[name] + 0.5)

    def box(
        x: float, y: float, width: float, text: str, color: str, height: float = BOX_HEIGHT
    ) -> None:
        corner = x - width / 2, y - height / 2
        style = {"boxstyle": "round,pad=0,rounding_size=0.06", "facecolor": color}
        patch = FancyBboxPatch(corner, width, height, edgecolor=LINE, linewidth=0.9, **style)
        axes.add_patch(patch)
        axes.text(x, y, text, ha="center", va="center", color=INK, fontsize=10)

    for name in COLUMNS:
        box(*middle(name), BOX_WIDTH, name, FILL)
    names = textwrap.fill(" · ".join(FLOORS[0]), 90)
    box(WIDTH / 2, FLOOR_HEIGHT / 2, WIDTH - 0.4, names, "white", 1.5 * BOX_HEIGHT)

    for one, other in drawn:
        outgoing = sorted((b for a, b in drawn if a == one), key=middle)
        incoming = sorted((a for a, b in drawn if b == other), key=middle)
        x, y = middle(one)
        x += BOX_WIDTH * ((outgoing.index(other) + 1) / (len(outgoing) + 1) - 0.5)
        end, foot = middle(other)
        end += BOX_WIDTH * ((incoming.index(one) + 1) / (len(incoming) + 1) - 0.5)
        y, foot = y - BOX_HEIGHT / 2, foot + BOX_HEIGHT / 2
        bend = (y - foot) / 2
        corners = [(x, y), (x, y - bend), (end, foot + bend), (end, foot)]
        curve = Curve(corners, [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4])
        axes.add_patch(
            FancyArrowPatch(path=curve, arrowstyle="-|>", mutation_scale=9, color=LINE, lw=0.9)
        )
    described = "\n".join(f"{one} imports {other}" for one, other in drawn)
    metadata = {"Date": None, "Creator": None, "Description": described}
    with matplotlib.rc_context({"svg.hashsalt": "architecture", "svg.fonttype": "none"}):
        figure.savefig(path, metadata=metadata)


if __name__ == "__main__":
    draw(arrows(read_imports()), *map(Path, sys.argv[1:]))
