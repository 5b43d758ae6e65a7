"""the first tables

Revision: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "roster",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("tests", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster")),
        sa.UniqueConstraint("digest", name=op.f("uq_roster_digest")),
    )
    op.create_table(
        "site",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("institution", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
        sa.UniqueConstraint("name", name=op.f("uq_site_name")),
    )
    op.create_table(
        "series",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("executor", sa.Text(), nullable=False),
        sa.Column("launcher", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("newest_run_id", sa.Integer(), nullable=True),
        sa.Column("newest_started", sa.Double(), nullable=True),
        sa.Column("newest_outcome", sa.Text(), nullable=True),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("requirements", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_series_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint(
            "site_id",
            "host",
            "executor",
            "launcher",
            "version",
            name=op.f("uq_series_site_id_host_executor_launcher_version"),
        ),
    )
    op.create_index(op.f("ix_series_current"), "series", ["current"], unique=False)
    op.create_index(op.f("ix_series_executor"), "series", ["executor"], unique=False)
    op.create_index(op.f("ix_series_newest_started"), "series", ["newest_started"], unique=False)
    op.create_index(op.f("ix_series_version"), "series", ["version"], unique=False)
    op.create_table(
        "token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("revoked", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_token_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("key", name=op.f("uq_token_key")),
    )
    op.create_table(
        "flaky",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("recent", sa.Text(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("last_changed", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_flaky_series_id")),
        sa.PrimaryKeyConstraint("series_id", "kind", "name", name=op.f("pk_flaky")),
    )
    op.create_index(op.f("ix_flaky_changes_last_changed"), "flaky", ["changes", "last_changed"], unique=False)
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("executor", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=False),
        sa.Column("received", sa.Double(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("roster_id", sa.Integer(), nullable=False),
        sa.Column("outcomes", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=True),
        sa.Column("quick_start", sa.Text(), nullable=True),
        sa.Column("ensemble", sa.Text(), nullable=True),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("unfinished", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["roster_id"], ["roster.id"], name=op.f("fk_run_roster_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_run_series_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_run_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint("run_id", name=op.f("uq_run_run_id")),
    )
    op.create_index(op.f("ix_run_executor_started"), "run", ["executor", "started"], unique=False)
    op.create_index(op.f("ix_run_outcome_started"), "run", ["outcome", "started"], unique=False)
    op.create_index(op.f("ix_run_series_id_started"), "run", ["series_id", "started"], unique=False)
    op.create_index(op.f("ix_run_site_id_started"), "run", ["site_id", "started"], unique=False)
    op.create_index(op.f("ix_run_started"), "run", ["started"], unique=False)
    op.create_index(op.f("ix_run_version_started"), "run", ["version", "started"], unique=False)
    op.create_table(
        "report",
        sa.Column("run_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_report_run_id")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_report")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("report")
    op.drop_index(op.f("ix_run_version_started"), table_name="run")
    op.drop_index(op.f("ix_run_started"), table_name="run")
    op.drop_index(op.f("ix_run_site_id_started"), table_name="run")
    op.drop_index(op.f("ix_run_series_id_started"), table_name="run")
    op.drop_index(op.f("ix_run_outcome_started"), table_name="run")
    op.drop_index(op.f("ix_run_executor_started"), table_name="run")
    op.drop_table("run")
    op.drop_index(op.f("ix_flaky_changes_last_changed"), table_name="flaky")
    op.drop_table("flaky")
    op.drop_table("token")
    op.drop_index(op.f("ix_series_version"), table_name="series")
    op.drop_index(op.f("ix_series_newest_started"), table_name="series")
    op.drop_index(op.f("ix_series_executor"), table_name="series")
    op.drop_index(op.f("ix_series_current"), table_name="series")
    op.drop_table("series")
    op.drop_table("site")
    op.drop_table("roster")
