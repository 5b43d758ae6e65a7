"""`single`: one process on the lead node, whatever the resources. The default."""

from psij_like.exceptions import InvalidJobException
from psij_like.launcher import Launcher
from psij_like.resource_spec import Resources


class SingleLauncher(Launcher):
    """Starts the executable itself."""

    _NAME_ = "single"
    lead_node_only = True

    def prefix(self, resources: Resources) -> list[str]:
        """Nothing. See `Launcher.prefix`."""
        if self.options:
            raise InvalidJobException(f"the launcher 'single' has no options, but got {', '.join(self.options)}")
        return []
