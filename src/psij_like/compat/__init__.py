"""`import psij` means this library: for programs that name the published binding, and stay as they are.

RADICAL-Pilot, EnTK, Swift/T and Open OnDemand say `import psij`, in processes of their own. The directory of `path()`,
put first on PYTHONPATH (`export PYTHONPATH=$(psij-like compat-path):$PYTHONPATH`), has a package of that name which is
this library, whether or not psij-python is installed too. The Python of those processes needs psij-like installed.
"""

from pathlib import Path


def path() -> Path:
    """The directory to put first on PYTHONPATH."""
    return Path(__file__).parent
