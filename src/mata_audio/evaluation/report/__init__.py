"""A run's results as one self-contained HTML page."""

from mata_audio.evaluation.report.clips import ClipMedia, report_clips
from mata_audio.evaluation.report.listening_page import listening_page
from mata_audio.evaluation.report.opening import Opening
from mata_audio.evaluation.report.page import render_report
from mata_audio.evaluation.report.pictures import REPEATED, Picture, page_pictures

__all__ = [
    "REPEATED",
    "ClipMedia",
    "Opening",
    "Picture",
    "listening_page",
    "page_pictures",
    "render_report",
    "report_clips",
]
