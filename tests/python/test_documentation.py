"""What the documentation shows runs: examples in docstrings, the README's code, and links between pages."""

import doctest
import importlib
import os
import re
from pathlib import Path

import numpy as np
import pytest

import scorefield as sf

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python/scorefield"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if parts[-1] != "__main__":
            yield ".".join(part for part in parts if part != "__init__")


@pytest.mark.parametrize("module", list(modules()))
def test_examples_in_docstrings_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some of them write files
    found = importlib.import_module(module)
    extras = {"sf": sf, "np": np, "MLP": sf.MLP}
    result = doctest.testmod(found, optionflags=FLAGS, extraglobs=extras)
    assert result.failed == 0


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block.replace("steps=2000", "steps=2"), "README.md", "exec"), {})  # as it stands, but shorter
    assert os.listdir(tmp_path) == ["digits.safetensors"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text())
    assert not [link for link in links if not (page.parent / link).exists()]


def test_the_changelog_names_every_public_class():
    """A new name has its line in the changelog in the same commit."""
    told = (ROOT / "CHANGELOG.md").read_text()
    groups = (sf.schedules, sf.grids, sf.samplers)
    names = [name for group in groups for name in group.__all__ if name not in {"Step", "Level", "Diagnosis", "Grid"}]
    assert not [name for name in names if not re.search(rf"\b{name}\b", told)]


def test_equations_and_sections_that_the_code_cites_exist():
    """theory (24) is an equation of docs/theory.md, theory 7 a section or an equation."""
    theory = (ROOT / "docs/theory.md").read_text()
    equations = {int(n) for n in re.findall(r"\((\d+)\)", theory)}
    sections = {int(n) for n in re.findall(r"^## (\d+)\.", theory, re.M)}
    sources = [
        p for folder in ("cpp", "python") for p in (ROOT / folder).rglob("*") if p.suffix in {".hpp", ".cpp", ".py"}
    ]
    cited = [(p.name, *m) for p in sources for m in re.findall(r"theory (\(?)(\d+)\b", p.read_text())]
    assert len(cited) > 100
    assert not [c for c in cited if int(c[2]) not in equations | (set() if c[1] else sections)]
