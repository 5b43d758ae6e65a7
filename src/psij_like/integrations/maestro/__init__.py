"""A script adapter of Maestro's: the steps of a study are jobs of any executor of this library.

Maestro knows only the adapters in its own folder: `python -m psij_like.integrations.maestro` puts a line there.
"""

try:
    from psij_like.integrations.maestro.adapter import PsijScriptAdapter
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error}; install Maestro with: pip install 'psij-like[maestro]'") from error

__all__ = ["PsijScriptAdapter"]
