"""Modules of one package under the name of another."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_OTHER_NAMES = {"job_launcher": "launcher", "job_executor_config": "job_executor"}  # psij-python's: ours


class _Aliases(MetaPathFinder, Loader):
    """Finds `<alias>.x` as `<package>.x`, once nobody else has found it."""

    def __init__(self, alias: str, package: str) -> None:
        self.alias = alias
        self.package = package

    def _own_name(self, name: str) -> str:
        rest = name.removeprefix(f"{self.alias}.")
        return f"{self.package}.{_OTHER_NAMES.get(rest, rest)}"

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(f"{self.alias}."):
            return None
        found = importlib.util.find_spec(self._own_name(fullname))
        if found is None:
            return None
        return ModuleSpec(fullname, self, is_package=found.submodule_search_locations is not None)

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = importlib.import_module(self._own_name(module.__name__))


def install(alias: str, package: str) -> None:
    """Have `import <alias>.x` give the module `<package>.x`, where the alias has no such module of its own."""
    sys.meta_path.append(_Aliases(alias, package))
