"""Packages that only some methods need."""

import importlib.util


def needs(package: str, for_what: str) -> None:
    """Raises ImportError, which says what to install, if there is no such package."""
    if importlib.util.find_spec(package) is None:
        names = {"PIL": ("pillow", "python3-pil"), "dask": ("dask[array]", "python3-dask")}
        pip, debian = names.get(package, (package, f"python3-{package}"))
        raise ImportError(f'{for_what} needs the package {package}: pip install "{pip}", or on Debian apt install {debian}', name=package)
