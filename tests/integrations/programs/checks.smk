rule failed:
    output:
        "failed.txt",
    resources:
        runtime=5,
    shell:
        "echo something is wrong >&2; exit 4"


rule impossible:
    output:
        "impossible.txt",
    resources:
        runtime=5,
        nodes=2,
        tasks=3,
    shell:
        "touch {output}"


rule slow:
    output:
        "slow/{number}.txt",
    threads: 2
    resources:
        runtime=7,
        mem_mb=300,
        slurm_partition="debug",
        slurm_account="ours",
        qos="",
    shell:
        "touch began-{wildcards.number}-$PSIJ_JOB_ID; until [ -e go ]; do sleep 0.2; done; echo {threads} > {output}"
