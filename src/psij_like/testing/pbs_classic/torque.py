"""The personality of Torque."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from psij_like.testing.jobs import Cause, Job
from psij_like.testing.pbs.shared.family import QsubPersonality
from psij_like.testing.pbs_classic import listing, orders, selection, submission
from psij_like.testing.personality import Answer, Call

_LOST = "\nUnable to communicate with {server}(127.0.0.1)\nCannot connect to specified server host '{server}'.\n"
_REFUSED = "{command}: cannot connect to server {server} (errno=111) Connection refused\n"


class PbsClassicPersonality(QsubPersonality):
    """See the package."""

    name = "pbs_classic"
    variable = "PBS_DEFAULT"
    default_queues = {"batch": None, "small": 600}  # noqa: RUF012 - the base class says that it belongs to the class
    version_text = "Version: master\nCommit: \n"
    element_separator = "-"

    def acts(self) -> Mapping[str, Callable[[Call], Answer]]:
        """See `QsubPersonality.acts`."""
        return {
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
        nodes, cores = len(job.nodes) or 1, sum(job.slots_on) or 1
        found = {
            **super().environment(job),
            "HOSTNAME": job.nodes[0] if job.nodes else "",
            "PBS_GPUFILE": str(self.directory / "aux" / f"{job.native_id}gpu"),
            "PBS_MICFILE": str(self.directory / "aux" / f"{job.native_id}mic"),
            "PBS_NP": str(cores),
            "PBS_NUM_NODES": str(nodes),
            "PBS_NUM_PPN": str(max(1, cores // nodes)),
            "PBS_VERSION": "TORQUE-master",
            "PBS_VNODENUM": "0",
            "PBS_WALLTIME": str(int(job.request.walltime or 0)),
        }
        return found if job.index is None else {**found, "PBS_ARRAYID": str(job.index)}

    def never_ran(self, kind: str, job: Job) -> bool | None:
        """See `Personality.never_ran`. A job that was deleted has ended well, if it did not wait for another one."""
        if kind == "afterok":
            return None if job.cause is Cause.DEPENDENCY else True
        return None if kind == "afternotok" else True

    # ---- Trouble

    def unreachable(self, call: Call) -> Answer | None:
        """See `Personality.unreachable`."""
        command, lost = call.command, _LOST.format(server=self.server)
        refused = _REFUSED.format(command=command, server=self.server)
        if command == "pbsnodes":
            text = f"pbsnodes: cannot connect to server {self.server}, error=111 (Connection refused)\n"
            return Answer(1, "", lost + text)
        if command == "qstat":
            return Answer(111, "", f"{lost * 3}{refused}qstat: Error (111 - Connection refused) \n")
        return Answer(111, "", lost + refused)

    def failure(self, call: Call) -> Answer:
        """See `Personality.failure`."""
        if call.command == "qsub":
            return Answer(1, "", "qsub: submit error (End of File)\n")
        return Answer(1, "", f"{call.command}: End of File\n")
