"""The personality of PBS Pro."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from psij_like.testing.jobs import Cause, Job, Wait
from psij_like.testing.pbs import listing, orders, selection, submission
from psij_like.testing.pbs.shared.family import QsubPersonality
from psij_like.testing.personality import Answer, Call

_REFUSED = "Connection refused\n{command}: cannot connect to server {server} (errno=15010)\n"
_BUSY = "No free connections\n{command}: cannot connect to server {server} (errno=15033)\n"
_EXIT_CODES = {"qstat": 255, "pbsnodes": 1}


class PbsPersonality(QsubPersonality):
    """See the package."""

    name = "pbs"
    command_names = (*QsubPersonality.command_names, "qalter")
    variable = "PBS_CONF_FILE"
    default_queues = {"workq": None, "small": 3600}  # noqa: RUF012 - the base class says that it belongs to the class
    version_text = f"pbs_version = {listing.VERSION}\n"
    element_separator = "."

    def acts(self) -> Mapping[str, Callable[[Call], Answer]]:
        """See `QsubPersonality.acts`."""
        return {
            "qalter": lambda call: submission.qalter(self, call),
            "pbsnodes": lambda call: selection.pbsnodes(self, call),
            "qdel": lambda call: orders.qdel(self, call),
            "qhold": lambda call: orders.qhold(self, call),
            "qrls": lambda call: orders.qhold(self, call),
            "qselect": lambda call: selection.qselect(self, call),
            "qsig": lambda call: orders.qsig(self, call),
            "qstat": lambda call: listing.qstat(self, call),
            "qsub": lambda call: submission.qsub(self, call),
        }

    def environment(self, job: Job) -> Mapping[str, str]:
        """See `Personality.environment`."""
        resources = self.submitted(job).resources
        cores = str(int(resources.get("ncpus", 1)) // max(1, int(resources.get("nodect", 1))) or 1)
        found = {
            **super().environment(job),
            "NCPUS": cores,
            "OMP_NUM_THREADS": cores,
            "PBS_JOBDIR": self.bare_environment()["HOME"],
            "TMPDIR": str(self.directory / "tmp" / job.native_id),
        }
        if job.array is not None:
            found |= {"PBS_ARRAY_ID": job.array.native_id, "PBS_ARRAY_INDEX": str(job.index)}
        return found

    def never_ran(self, kind: str, job: Job) -> bool | None:
        """See `Personality.never_ran`. A job goes with one that waited itself; for another one it waits on."""
        waited = job.cause is Cause.DEPENDENCY or job.wait in (Wait.DEPENDENCY, Wait.NEVER)
        return None if waited else False

    # ---- Trouble

    def unreachable(self, call: Call) -> Answer | None:
        """See `Personality.unreachable`."""
        return self._trouble(call, _REFUSED)

    def failure(self, call: Call) -> Answer:
        """See `Personality.failure`."""
        return self._trouble(call, _BUSY)

    def _trouble(self, call: Call, text: str) -> Answer:
        command = call.command
        if command == "qdel":
            problem = text.partition("\n")[0]
            return Answer(162, "", f"{problem}\nCouldn't connect to cluster: {self.server}\n")
        said = text.format(command=command, server=self.server)
        if command == "pbsnodes":
            said = said.replace(" (errno=", ", error=").replace(")\n", "\n")
        out = listing.document(self, []) if command == "qstat" and "json" in call.argv else ""
        return Answer(_EXIT_CODES.get(command, 162), out, said)
