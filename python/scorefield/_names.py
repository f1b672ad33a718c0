"""Names for objects: "ddim" for DDIM(), "DPMSolverPP(order=2)" for what its repr prints. Nothing is ever executed."""

import ast
import difflib
import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
LONGEST = 10_000  # characters of a text that parse() looks at


def resolve(value: object, what: str, base: type[T], table: Mapping[str, Callable[[], T]]) -> T:
    """Give the object that `value` stands for.

    value : an object of class `base`, returned as it is, or the name of a table entry (case and `_` ignored), which is
    called without arguments.   what : the word for messages ("sampler").   table : class name -> class or function.
    Raises ValueError for an unknown name (with the nearest and the list), TypeError for anything else.
    """
    if isinstance(value, base):
        return value
    if isinstance(value, str):
        return table[find(value, what, table)]()
    hint = f"; did you mean {value.__name__}()?" if isinstance(value, type) and issubclass(value, base) else ""
    raise TypeError(f"{what} must be a {base.__name__} or one of the names {listed(table)}; got {value!r}{hint}")


def find(name: str, what: str, table: Iterable[str]) -> str:
    """Give the entry of `table` spelled like `name`, case and `_` ignored, as a str; ValueError if there is none."""
    entries = list(table)
    spelled = {_plain(entry): entry for entry in entries}
    if _plain(name) not in spelled:
        known = [snake(entry) for entry in entries]
        raise ValueError(f"unknown {what} {name!r}{closest(name, known)} Known: {', '.join(sorted(known))}")
    return spelled[_plain(name)]


def listed(table: Iterable[str]) -> str:
    """Give the names of a table as one str, sorted, in small letters: "ancestral, ddim, dpm_solver_pp"."""
    return ", ".join(sorted(snake(entry) for entry in table))


def closest(name: str, known: Iterable[str]) -> str:
    """Give the str "; did you mean 'x'?" for the nearest of the known names, or "." if none is near."""
    by_plain = {_plain(entry): entry for entry in known}
    near = difflib.get_close_matches(_plain(name), list(by_plain), n=1, cutoff=0.5)
    return f"; did you mean {by_plain[near[0]]!r}?" if near else "."


def snake(name: str) -> str:
    """Give a class name in small letters, as a str: DPMSolverPP -> dpm_solver_pp, LogSNR -> log_snr, DPM2 -> dpm2."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _plain(name: str) -> str:
    return name.replace("_", "").strip().lower()


@dataclass(frozen=True)
class Call:
    """A name with literal arguments, read from text; `arguments` by position, `keywords` by name."""

    name: str
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)


def parse_call(text: str, what: str) -> Call:
    """Read "Name" or "Name(1, b=(2, 3), c=inf)" into a Call; arguments are literals. ValueError for anything else."""
    wrong = f"{what} must be a name, or a name with literal arguments such as 'Name(a=1, b=(2, 3))'; got {text[:80]!r}"
    if len(text) > LONGEST:
        raise ValueError(wrong)
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if isinstance(node, ast.Name):
            return Call(node.id)
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            raise ValueError(wrong)
        keywords = {keyword.arg: _literal(keyword.value) for keyword in node.keywords if keyword.arg is not None}
        if len(keywords) != len(node.keywords):
            raise ValueError(wrong)
        return Call(node.func.id, tuple(_literal(argument) for argument in node.args), keywords)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise ValueError(wrong) from None


def parse(text: str, what: str, table: Mapping[str, Callable[..., T]]) -> T:
    """Make the object that a text such as "DPMSolverPP(order=2)" describes: what `repr` prints can be read again.

    Raises ValueError for text of another form, unknown names and arguments that the class does not take.
    """
    call = parse_call(text, what)
    maker = table[find(call.name, what, table)]
    return build(maker, call, what)


def build(maker: Callable[..., T], call: Call, what: str, *leading: Any) -> T:
    """Call `maker(*leading, *call.arguments, **call.keywords)`; arguments that it does not take are a ValueError."""
    signature = inspect.signature(maker)
    try:
        signature.bind(*leading, *call.arguments, **call.keywords)
    except TypeError as error:
        takes = ", ".join(str(p) for p in list(signature.parameters.values())[len(leading) :])
        raise ValueError(f"{what} {call.name}: {error}; it takes ({takes})") from None
    return maker(*leading, *call.arguments, **call.keywords)


class _Constants(ast.NodeTransformer):
    """`inf` and `nan`, which repr prints without quotes, as the numbers they are."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in ("inf", "nan"):
            raise ValueError(node.id)
        return ast.copy_location(ast.Constant(math.inf if node.id == "inf" else math.nan), node)


def _literal(node: ast.expr) -> Any:
    return ast.literal_eval(_Constants().visit(node))
