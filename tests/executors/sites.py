"""Where the shared suite runs: executors in their surroundings, and what tests need to know of them.

Beside this machine, the real schedulers that Debian has and the simulated ones, the suite runs on whatever schedulers
PSIJ_TEST_SCHEDULERS names (ids of sites below, separated by commas: `pbs`, `pbs-without-history`): their commands are
in PATH then, and jobs of the user who runs the tests are welcome. PSIJ_TEST_SLURM_RELEASES, which
`make test-slurm-versions` sets, names Debian releases: it runs on the Slurm of each of those then, and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from clusters.client import RELEASES
from psij_like import JobAttributes, JobExecutorConfig
from psij_like.executors._flux import bindings
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig
from psij_like.executors.batch.grid_engine import GridEngineExecutorConfig

_SLURMS = ("slurm_without_accounting", "slurm_with_accounting", "slurm_of_release")


@dataclass(frozen=True)
class Site:
    """An executor in its surroundings.

    Attributes:
        id: the name in test ids.
        executor: the executor's name.
        place: the fixture that makes it ready.
        config: makes the configuration, given `work_directory` and settings that replace those below.
        settings: for `config`: quick polling, little patience.
        silent: for `config`: nothing tells of news but what the executor asks for.
        pending: custom attributes with which a job stays QUEUED until it is released.
        refused: attributes that the backend itself refuses.
        launchers: names of the launchers that work here, `single` aside.
        own_variables: names, or their beginnings, of variables that a job has with nothing inherited.
        own_jobs: the command that lists the scripts of this user's jobs.
        knows_foreign_ends: whether it knows the end of a job of which our own files say nothing.
        dependencies: the kinds of dependencies it has.
        tells_of_ends: whether it can be told of the end of a job that never ran, and that it has forgotten.
        after_wants_a_start: whether `after` is never met by a job that ends without a start.
        drops_chains: whether a job that waited for another in vain takes with it all that wait for it.
        signals: those that end a process of its jobs.
        cancels_at_once: whether it may leave a job that is cancelled no time to take results away.
        cancel_seconds: how long six cancels may take.
        submit: the command that submits.
        submits: how a call of it begins that submits.
        busy: what it says when it refuses something for now.
        cancel: the command that cancels.
        cancels: how a call of it begins that cancels.
        cancels_many: whether it may name many jobs.
        refuses: the fields of ResourceSpecV1 that it can not express.
        queries: the commands that ask for states; the first one is for all jobs at once.
        asks: how a call of theirs begins that asks.
        nothing: a shell script that answers as the first of them does when there is no job.
        mystery: a sed script that makes the states in their answers unknown ones.
        shown: the command, without the native id, that shows what the backend took over, by what it shows.
        simulation: the arguments of the `SimulatedCluster`, if it is one.
        release: for Slurm: the Debian release that it comes from, if it is not this machine's.
    """

    id: str
    executor: str
    place: str
    config: Callable[..., JobExecutorConfig] = BatchSchedulerExecutorConfig
    settings: Mapping[str, Any] = field(default_factory=dict)
    silent: Mapping[str, Any] = field(default_factory=dict)
    pending: Mapping[str, object] | None = None
    refused: JobAttributes | None = None
    launchers: Sequence[str] = ("multiple", "mpirun")
    own_variables: tuple[str, ...] = ()
    own_jobs: Sequence[str] = ("true",)
    knows_foreign_ends: bool = False
    dependencies: tuple[str, ...] = ()
    tells_of_ends: bool = True
    after_wants_a_start: bool = False
    drops_chains: bool = False
    signals: tuple[int, ...] = (1, 2, 6, 9, 11, 15)
    cancels_at_once: bool = False
    cancel_seconds: float = 5
    submit: str = "qsub"
    submits: str = ""
    busy: str = "try again"
    cancel: str = ""
    cancels: str = ""
    cancels_many: bool = True
    refuses: tuple[str, ...] = ()
    queries: Sequence[str] = ()
    asks: str = ""
    nothing: str = "exit 0"
    mystery: str = ""
    shown: Mapping[str, Sequence[str]] = field(default_factory=dict)
    simulation: Mapping[str, Any] = field(default_factory=dict)
    release: str = ""

    def __repr__(self) -> str:
        return self.id

    @property
    def marks(self) -> list[pytest.MarkDecorator]:
        marks = {"simulated": pytest.mark.simulated} | dict.fromkeys(_SLURMS, pytest.mark.slurm)
        more = [pytest.mark.slow] if self.id == "slurm-simulated" else []  # the real ones are tried in its place
        return [marks[self.place], *more] if self.place in marks else []


# What every job has in its environment.
_OWN_VARIABLES = ("PSIJ_JOB_ID", "PSIJ_NATIVE_ID", "PSIJ_NODEFILE")
_USUAL = (
    *_OWN_VARIABLES,
    *(
        "ENVIRONMENT",
        "HOME",
        "HOSTNAME",
        "HOSTTYPE",
        "LANG",
        "LOGNAME",
        "MAIL",
        "PATH",
        "SHELL",
        "TERM",
        "TMP",
        "TMPDIR",
    ),
    *("TZ", "USER", "XDG_"),
)
_QUICK = {
    "initial_queue_polling_delay": 0.5,
    "minimum_polling_interval": 0.5,
    "queue_polling_interval": 2,
    "command_timeout": 30,
    "record_patience": 3,
    "lost_patience": 5,
    "retry_for": 0,
}
_NO_SUCH_QUEUE = JobAttributes(queue_name="no-such-queue")

LOCAL = Site(
    "local",
    "local",
    "this_machine",
    JobExecutorConfig,
    own_variables=_OWN_VARIABLES,
    submit="",
    busy="",
)
_BATCH = Site(
    "", "", "installed", settings=_QUICK, silent={"doorbell": False}, refused=_NO_SUCH_QUEUE, own_variables=_USUAL
)
SLURM = replace(
    _BATCH,
    id="slurm",
    executor="slurm",
    pending={"slurm.hold": True},
    launchers=("multiple", "mpirun", "srun"),
    own_variables=(
        *(*_USUAL, "SLURM", "GPU_DEVICE_ORDINAL"),
        *("HYDRA_", "I_MPI_HYDRA_", "OMPI_MCA_plm_", "PRTE_MCA_plm_"),  # for MPIs' mpirun, since 23.11
    ),
    own_jobs=("squeue", "-h", "--me", "-o", "%o"),
    knows_foreign_ends=True,
    dependencies=("after", "afterok", "afternotok", "afterany"),
    submit="sbatch",
    cancel="scancel",
    queries=("squeue", "sacct"),
    mystery=r"s/|[A-Z_]\{4,\}|/|DAYDREAMING|/",
    shown={
        "name": ("squeue", "-h", "-t", "all", "-o", "%j", "-j"),
        "comment": ("squeue", "-h", "-t", "all", "-o", "%k", "-j"),
        "limit": ("squeue", "-h", "-t", "all", "-o", "%l", "-j"),
    },
)
PBS = replace(
    _BATCH,
    id="pbs",
    executor="pbs",
    pending={"pbs.h": True},
    own_variables=(*_USUAL, "PBS_", "NCPUS", "OMP_NUM_THREADS"),
    knows_foreign_ends=True,
    dependencies=("after", "afterok", "afternotok", "afterany"),
    drops_chains=True,
    cancel="qdel",
    cancels_many=False,
    queries=("qstat",),
    nothing="""echo '{"pbs_server": "here"}'""",
    mystery=r's/"job_state":\(.*\)"[A-Z]"/"job_state":\1"?"/',
)
PBS_WITHOUT_HISTORY = replace(PBS, id="pbs-without-history", knows_foreign_ends=False, tells_of_ends=False)
PBS_CLASSIC = replace(
    _BATCH,
    id="pbs_classic",
    executor="pbs_classic",
    pending={"pbs_classic.h": True},
    own_variables=(*_USUAL, "PBS_"),
    knows_foreign_ends=True,
    dependencies=("afterok", "afternotok", "afterany"),
    cancels_at_once=True,
    cancel="qdel",
    queries=("qstat",),
    mystery="s/<job_state>.</<job_state>?</g",
)
LSF = replace(
    _BATCH,
    id="lsf",
    executor="lsf",
    pending={"lsf.H": True},
    own_variables=(*_USUAL, "LSB_", "LSF_", "LS_", "LSFUSER", "XLSF_", "VOLCLAVA_"),
    signals=(2, 6, 9, 11, 15),  # volclava's jobs ignore SIGHUP
    dependencies=("after", "afterok", "afternotok", "afterany"),
    submit="bsub",
    cancel="bkill",
    queries=("bjobs",),
    nothing="echo 'No job found' >&2; exit 255",
    mystery=r's/"STAT":\(.*\)"[A-Z]*"/"STAT":\1"DAYDREAM"/; s/Status <[A-Z]*>/Status <DAYDREAM>/',
)
COBALT = replace(
    _BATCH,
    id="cobalt",
    executor="cobalt",
    pending={"cobalt.h": True},
    own_variables=(*_USUAL, "COBALT_"),
    cancel_seconds=30,  # its qdel sleeps
    dependencies=("afterok",),
    cancel="qdel",
    refuses=("gpu_cores_per_process", "memory"),
    queries=("qstat",),
    nothing="exit 1",
    mystery="s/State *: .*/State : daydreaming/",
)
GRID_ENGINE = replace(
    _BATCH,
    id="grid_engine",
    executor="grid_engine",
    place="grid_engine",
    config=GridEngineExecutorConfig,
    settings={**_QUICK, "parallel_environment": "smp"},
    pending={"grid_engine.h": True},
    own_variables=(
        *_USUAL,
        *("ARC", "JOB_", "NHOSTS", "NQUEUES", "NSLOTS", "PE", "QUEUE", "REQNAME", "REQUEST", "RESTARTED", "SGE_"),
    ),
    knows_foreign_ends=True,
    dependencies=("afterany",),
    cancel="qdel",
    queries=("qstat", "qacct"),
    nothing="""case $0 in *qacct) echo 'error: job id 1 not found' >&2; exit 1 ;; esac
echo '<job_info><queue_info></queue_info></job_info>'""",
    mystery="s/<state>.*</<state>?</",
)
_BY_BINDINGS = bindings.available()  # nothing is left to ask of a command then
FLUX = replace(
    _BATCH,
    id="flux",
    executor="flux",
    pending={"flux.urgency": 0},
    launchers=("multiple", "mpirun", "flux"),
    own_variables=(*_USUAL, "FLUX_", "PMI_", "CUDA_", "LD_LIBRARY_PATH", "LUA_", "MANPATH", "OMPI_MCA_"),
    refuses=("memory",),
    knows_foreign_ends=True,
    dependencies=("after", "afterok", "afternotok", "afterany"),
    after_wants_a_start=True,
    submit="" if _BY_BINDINGS else "flux",
    submits="flux job submit",
    busy="" if _BY_BINDINGS else "Unable to connect to Flux",
    cancel="" if _BY_BINDINGS else "flux",
    cancels="flux job raise",
    queries=() if _BY_BINDINGS else ("flux",),
    asks="flux jobs",
    nothing='[ "$1" = jobs ] || exec "$real" "$@"',
    mystery="" if _BY_BINDINGS else r"s/|[A-Z]\{2,\}|/|DAYDREAMING|/",
)
_EVERY = (SLURM, PBS, PBS_WITHOUT_HISTORY, PBS_CLASSIC, LSF, COBALT, FLUX, GRID_ENGINE)
_NAMED = os.environ.get("PSIJ_TEST_SCHEDULERS", "").replace(",", " ").split()

SITES: tuple[Site, ...] = (
    LOCAL,
    replace(SLURM, id="slurm-no-accounting", place="slurm_without_accounting"),
    replace(SLURM, id="slurm-accounting", place="slurm_with_accounting"),
    GRID_ENGINE,
    *(
        replace(site, id=f"{name}-simulated", place="simulated", simulation=simulation)
        for name, site, simulation in (
            ("slurm", replace(SLURM, launchers=("multiple", "srun")), {"kind": "slurm"}),
            ("pbs", PBS, {"kind": "pbs"}),
            ("pbs-without-history", PBS_WITHOUT_HISTORY, {"kind": "pbs", "history": 0}),
            ("pbs_classic", PBS_CLASSIC, {"kind": "pbs_classic"}),
            ("lsf", LSF, {"kind": "lsf"}),
            ("volclava", LSF, {"kind": "lsf", "flavour": "volclava"}),
            ("flux", replace(FLUX, launchers=("multiple", "flux")), {"kind": "flux"}),
            ("cobalt", COBALT, {"kind": "cobalt", "nodes": 8}),
        )
    ),
)
if RELEASES:
    SITES = tuple(replace(SLURM, id=f"slurm-{name}", place="slurm_of_release", release=name) for name in RELEASES)
if _NAMED:
    SITES = tuple(replace(site, place="installed") for site in (LOCAL, *_EVERY) if site.id in _NAMED)


def sites(having: str = "id") -> pytest.MarkDecorator:
    """Run a test for those executors only that have something: `@sites(having="pending queries")`."""
    chosen = [
        pytest.param(site, id=site.id, marks=site.marks)
        for site in SITES
        if all(getattr(site, name) for name in having.split())
    ]
    return pytest.mark.parametrize("site", chosen, indirect=True)
