"""Where the files are that other packages carry inside their wheels."""

import importlib.util
from pathlib import Path


def package_file(package: str, path: str, *, project: str) -> Path:
    """Give the path of a file inside an installed package, without importing that package.

    package : name to import.   path : relative to the package's folder.   project : name to install, for the message.
    Raises ImportError that names the extra to install if the package, or the file in it, is not there.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        found = Path(folder) / path
        if found.exists():
            return found
    what = "is not installed" if spec is None else f"has no file {path}"
    raise ImportError(
        f'this data set is in the package {project}, which {what}; pip install "scorefield[data]"', name=package
    )
