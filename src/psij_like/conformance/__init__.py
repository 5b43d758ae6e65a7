"""The conformance suite: does the library work on this cluster?

`psij-like conformance run --executor slurm` submits some fifty small jobs, all at once as far as they do not depend on
each other, checks what becomes of them against the numbered statements of the specification, and writes a report. It
is a set of pytest tests, so third parties run it for executors of their own by naming these, also from their own test
runs:

    pytest -p psij_like.conformance.plugin --pyargs psij_like.conformance.suite --psij-executor my_scheduler

Modules:
    settings    what is tested, and with what
    bench       what a test works with: it submits, waits, and tidies up
    plugin      runs the tests side by side, as a plug-in of pytest
    suite/      the tests
    report      what came of them, as data
    page        the same as a page, and as a table
    upload      sends a report to a dashboard
    install     makes a run part of a site's own CI
"""
