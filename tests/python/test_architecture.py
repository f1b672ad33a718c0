"""The rules of the house as a test: layers, one pragma, no Python in the core, quiet, sources, docstrings, versions."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import scorefield as sf
from scorefield import _core

ROOT = Path(__file__).resolve().parents[2]
CPP = ROOT / "cpp"
HEADERS = sorted((CPP / "include/scorefield").rglob("*.hpp"))
UMBRELLA = CPP / "include/scorefield/scorefield.hpp"
SOURCES = sorted((CPP / "src").rglob("*.[ch]pp"))
PYTHON = sorted((ROOT / "python/scorefield").rglob("*.py"))

LAYERS = {  # folder -> the folders below it, whose headers it may include
    "kernels": set(),
    "base": {"kernels"},
    "schedule": {"base"},
    "process": {"base", "schedule"},
    "sample": {"base", "schedule", "process"},
    "restore": {"base", "schedule", "process"},
    "likelihood": {"base", "schedule", "process"},
    "nn": {"base", "kernels"},
    "engine": {"base", "kernels", "nn"},
    "optim": {"base"},
    "model": {"base", "schedule", "process", "nn", "engine"},
    "train": {"base", "schedule", "process", "nn", "engine", "optim", "model"},
    "metrics": {"base"},
}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
SOURCE_OF_A_FORMULA = re.compile(r"theory|et al|\b(19|20)\d\d\b|engine\.md|performance\.md|diffusers")


def name(path):
    return str(path.relative_to(ROOT))


def code(path):
    """The text without comments and string literals."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(), flags=re.S)
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', text)


def folder(path):
    """schedule for cpp/include/scorefield/schedule/vp.hpp and cpp/src/schedule/table.cpp."""
    below = (
        path.relative_to(CPP / "src") if CPP / "src" in path.parents else path.relative_to(CPP / "include/scorefield")
    )
    return below.parts[0]


@pytest.mark.parametrize("path", [p for p in HEADERS + SOURCES if p != UMBRELLA], ids=name)
def test_includes_point_down_the_layers(path):
    here = folder(path)
    for included in re.findall(r'#include "scorefield/(\w+)/', path.read_text()):
        assert included in LAYERS[here] | {here}, f"{here} may not know {included}"


def test_the_umbrella_header_includes_every_folder_above_the_kernels():
    included = set(re.findall(r'#include "(scorefield/\w+/\w+\.hpp)"', UMBRELLA.read_text()))
    public = {p.relative_to(CPP / "include").as_posix() for p in HEADERS if p != UMBRELLA and folder(p) != "kernels"}
    assert included == public


@pytest.mark.parametrize("path", [p for p in HEADERS + SOURCES if folder(p) == "kernels"], ids=name)
def test_kernels_know_no_templates_that_another_level_could_share(path):
    """A template compiled at two instruction levels is one symbol: the linker keeps either, perhaps the wrong one."""
    text = path.read_text()
    assert "Eigen" not in code(path)
    if "level" in path.parts:
        assert set(re.findall(r"#include <(.*?)>", text)) <= {"cstddef", "cstdint", "immintrin.h", "arm_neon.h"}


@pytest.mark.parametrize("path", HEADERS + SOURCES, ids=name)
def test_the_core_is_quiet_serial_and_free_of_python(path):
    text = code(path)
    assert not re.search(r"pybind11|Python\.h|PyErr_|PyObject", text), "the core knows no Python"
    assert not re.search(r"std::c(out|err|log)\b|\b(f|v|vf)?printf\s*\(|\bputs\s*\(|#include <iostream>", text), (
        "no printing"
    )
    assert not re.search(r"\bgetenv\b|\bexit\s*\(|\babort\s*\(|\bsystem\s*\(", text), "no environment, no exit"
    assert not re.search(r"\brand\s*\(|std::mt19937|random_device", text), "noise comes from counters"
    assert "#pragma omp" not in text, "loops are shared out by base/parallel.hpp"
    assert (re.search(r"std::j?thread\b(?!::id)", text) is None) or path.name in {"worker_pool.cpp", "interrupt.hpp"}, (
        "threads are made in base/worker_pool.cpp alone"
    )
    assert "using namespace" not in text


@pytest.mark.parametrize("path", HEADERS, ids=name)
def test_headers_begin_with_pragma_once(path):
    assert path.read_text().startswith("#pragma once\n")


@pytest.mark.parametrize("path", HEADERS, ids=name)
def test_every_header_says_what_it_is(path):
    assert "///" in path.read_text()


FORMULAS = [p for p in HEADERS if folder(p) in {"schedule", "process", "sample"}]


@pytest.mark.parametrize("path", FORMULAS, ids=name)
def test_headers_with_formulas_cite_their_source(path):
    assert SOURCE_OF_A_FORMULA.search(path.read_text()), "give the paper, the year or the equation of theory.md"


@pytest.mark.parametrize("path", HEADERS + SOURCES, ids=name)
def test_one_concept_a_file(path):
    """A long file holds two concepts."""
    assert len(path.read_text().splitlines()) <= (150 if path in HEADERS else 300)


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_one_concept_a_python_file(path):
    """Docstrings and blank lines do not count; long signatures, an argument a line, do, hence 350."""
    text = path.read_text()
    documented = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, DOCUMENTED) and ast.get_docstring(node)
    ]
    docstrings = sum(node.body[0].end_lineno - node.body[0].lineno + 1 for node in documented)
    assert sum(1 for line in text.splitlines() if line.strip()) - docstrings <= 350


def functions(path):
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def body_lines(node):
    """Lines of a function without its docstring."""
    documented = ast.get_docstring(node) is not None
    first = node.body[1] if documented and len(node.body) > 1 else node.body[0]
    return node.end_lineno - first.lineno + 1


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_python_functions_are_short(path):
    long = {node.name: body_lines(node) for node in functions(path) if body_lines(node) > 40}
    assert not long


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_python_files_neither_print_nor_use_global_state(path):
    tree = ast.parse(path.read_text())
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if "cli" not in path.parts:
        assert "print" not in calls
    assert not {"eval", "exec", "np.random.seed", "random.seed", "np.seterr", "pickle.load", "pickle.loads"} & set(
        calls
    )
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global)]


HEAVY = {"matplotlib", "tqdm", "sklearn", "mlxtend", "PIL", "IPython", "pandas", "mpi4py", "resvg_py"}


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_heavy_packages_are_imported_inside_functions(path):
    for node in ast.parse(path.read_text()).body:
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {module.split(".")[0] for module in modules} & HEAVY


def test_the_version_is_said_once_and_agrees_everywhere():
    assert _core.build_info()["version"] == sf.__version__
    assert f"\nversion: {sf.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{sf.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def there(module):
    try:
        importlib.import_module(f"scorefield.{module}")
    except ModuleNotFoundError:
        return False
    return True


def public_things():
    """(name, object) of everything that users can reach: `sf`, its modules and the public methods of their classes."""
    modules = [sf, *(importlib.import_module(f"scorefield.{module}") for module in sf._MODULES if there(module))]
    for module in modules:
        for key in module.__all__:
            home = sf._HOME.get(key, key if key in sf._MODULES else "errors")
            if module is sf and not (there(home) and hasattr(sf, key)):
                continue
            thing = getattr(module, key)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield f"{module.__name__}.{key}", thing


def public_methods():
    for key, thing in public_things():
        if inspect.isclass(thing) and not issubclass(thing, Exception):
            for attribute in dir(thing):
                member = inspect.getattr_static(thing, attribute)
                if not attribute.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                    yield f"{key}.{attribute}", member


TELLS = re.compile(
    r"\(n\b|\(N\b|\([A-Z], |shape|[Rr]eturns?\b|[Gg]ives?\b|[Yy]ields?\b|->|[Dd]raws?\b|[Tt]ells?\b", re.M
)


def test_every_public_function_says_what_it_takes_or_gives():
    """Its docstring holds a shape or a return."""
    functions = [(key, thing) for key, thing in public_things() if inspect.isfunction(thing)]
    assert not [key for key, thing in functions if not TELLS.search(inspect.getdoc(thing) or "")]


def test_every_public_class_has_a_docstring_of_its_own():
    """A dataclass without one gets its signature as docstring: that is none."""
    classes = [(key, thing) for key, thing in public_things() if inspect.isclass(thing)]
    assert not [key for key, thing in classes if not thing.__doc__ or thing.__doc__.startswith(f"{thing.__name__}(")]


def test_every_public_method_has_a_docstring():
    assert not [key for key, member in public_methods() if not inspect.getdoc(member)]
