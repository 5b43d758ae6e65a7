"""`jsrun`: the launcher of IBM's Job Step Manager on LSF systems (jsrun(1), JSM 10.4). Not tried on a real one."""

from psij_like.launcher import Launcher
from psij_like.resource_spec import Resources


class JsrunLauncher(Launcher):
    """Starts one resource set for each process. Options are jsrun's long ones: `jsrun.bind`, say."""

    _NAME_ = "jsrun"
    ends_options = False

    def prefix(self, resources: Resources) -> list[str]:
        """See `Launcher.prefix`."""
        words = [
            "jsrun",
            f"--nrs={resources.processes}",
            f"--rs_per_host={resources.processes_per_node}",
            "--tasks_per_rs=1",
            f"--cpu_per_rs={resources.cores_per_process}",
            f"--gpu_per_rs={resources.gpus_per_process}",
        ]
        return [*words, *self.option_words()]
