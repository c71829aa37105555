"""SVG files that follow dark mode: one linear map of all their colours, where a page is dark.

A filter reaches what no list of colours does: colour maps, pixels, pale cells and the letters on
them. Viewers that know no dark mode, and printers, show the file as it was drawn.
"""

from __future__ import annotations

from mata_audio.evaluation.report.pictures import FOLLOWS_DARK_MODE
from mata_audio.settings.colours import DARK

_DRAWING = b'<g id="figure_1">'
_ADDED = b"""\
<defs>
  <filter id="dark" x="0" y="0" width="100%%" height="100%%" filterUnits="userSpaceOnUse" \
color-interpolation-filters="sRGB">
   <feColorMatrix values="%b"/>
  </filter>
  <style type="text/css">@media screen and %b {#figure_1 {filter: url(#dark)}}</style>
 </defs>
 """


def following_dark_mode(svg: bytes) -> bytes:
    """Return a figure's SVG file, as Matplotlib wrote it, with what makes it follow dark mode."""
    rows = "  ".join(f"{r:.4f} {g:.4f} {b:.4f} 0 {one:.4f}" for r, g, b, one in DARK)
    added = _ADDED % (f"{rows}  0 0 0 1 0".encode(), FOLLOWS_DARK_MODE)
    before, drawing, after = svg.partition(_DRAWING)
    assert drawing, "Matplotlib calls a file's drawing figure_1"
    return before + added + drawing + after
