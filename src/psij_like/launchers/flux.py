"""`flux`: Flux's own launcher, `flux run` (flux-run(1), flux-core 0.88). Processes may run on all nodes of the job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from psij_like._engine.quote import octal_word
from psij_like.launcher import Launcher
from psij_like.resource_spec import Resources

if TYPE_CHECKING:
    from psij_like.job import Job


class FluxLauncher(Launcher):
    """Starts the processes by the Flux instance that the executor `flux` starts within a job for this launcher.

    Options are those of `flux run`: `flux.verbose`, or `flux.setopt` for those of its job shell. In a job of another
    executor the processes run in the instance that FLUX_URI names there.
    """

    _NAME_ = "flux"

    def __init__(self, options: Mapping[str, object] | None = None) -> None:
        # Custom attributes of the executor have the same prefix.
        super().__init__({name: value for name, value in (options or {}).items() if name != "urgency"})

    def prefix(self, resources: Resources) -> list[str]:
        """See `Launcher.prefix`."""
        words = ["flux", "run", f"--nodes={resources.nodes}", f"--ntasks={resources.processes}"]
        words.append(f"--cores-per-task={resources.cores_per_process}")
        if resources.gpus_per_process:
            words.append(f"--gpus-per-task={resources.gpus_per_process}")
        # By itself Flux would kill the others 30 seconds after the first process has ended.
        return [*words, "--setopt=exit-timeout=none", *self.option_words(), "--"]

    def get_launch_command(self, job: Job) -> list[str]:
        """See `Launcher.get_launch_command`. Where Flux would expand something, a shell writes it out."""
        command = super().get_launch_command(job)
        size = 1 + len((job.spec and job.spec.arguments) or ())
        if not any("{{" in word for word in command[-size:]):
            return command
        return [*command[:-size], "/bin/bash", "-p", "-c", f"exec -- {' '.join(map(octal_word, command[-size:]))}"]
