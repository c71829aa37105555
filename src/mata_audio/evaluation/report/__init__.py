"""A run's results as one self-contained HTML page."""

from mata_audio.evaluation.report.media import ClipMedia
from mata_audio.evaluation.report.page import render_report

__all__ = ["ClipMedia", "render_report"]
