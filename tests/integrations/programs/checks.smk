rule all:
    input:
        "size.txt",
        "failed.txt",


rule size:
    output:
        "size.txt",
    threads: 2
    resources:
        runtime=7,
        mem_mb=300,
        slurm_partition=config["partition"],
        slurm_account=config["account"],
    shell:
        "echo {threads} > {output}; [ -z \"${{SLURM_JOB_ID:-}}\" ] || scontrol show job $SLURM_JOB_ID >> {output}"


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
        "slow.txt",
    resources:
        runtime=5,
    shell:
        "echo $PSIJ_JOB_ID >> began.txt; until [ -e go ]; do sleep 0.2; done; echo done > {output}"
