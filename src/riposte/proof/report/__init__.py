"""The report: a study as one HTML file, as JSON and as a terminal table. Shows; computes no result."""

from riposte.proof.report.evidence import evidence
from riposte.proof.report.export import as_json
from riposte.proof.report.page import render
from riposte.proof.report.terminal import summary_table

__all__ = ["as_json", "evidence", "render", "summary_table"]
