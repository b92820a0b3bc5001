"""The module that an author wrote, loaded, and what it declares."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from edge.sdk.defining import App, Function


class LoadError(Exception):
    """A module that cannot be served; the message says what to write."""


def load(file: Path) -> Function | App:
    """What the module's variable `default` declares; its folder is importable from then on.

    Raises:
        LoadError: there is no such file, or nothing declared in it; or the module itself failed,
            then the error that it raised is the cause.
    """
    if not file.is_file():
        raise LoadError(f"there is no file {file}")
    sys.path.insert(0, str(file.resolve().parent))
    module = _run(file)
    declared = getattr(module, "default", None)
    if isinstance(declared, Function | App):
        return declared
    wanted = "write default = define(...) or default = app(...)"
    if declared is None:
        raise LoadError(f'{file.name} has no variable "default": {wanted}')
    raise LoadError(f'"default" in {file.name} is a {type(declared).__name__}: {wanted}')


def _run(file: Path) -> ModuleType:
    name = file.stem if file.stem not in sys.modules else "function"
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise LoadError(f"{file.name} is not a Python file; name one that ends in .py")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as problem:
        said = f"{type(problem).__name__}: {problem}"
        raise LoadError(f"{file.name} could not be loaded: {said}") from problem
    return module
