"""Serving the page: on this machine only, without telemetry, uploads limited and deleted."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gradio as gr

MOST_WAITING = 20
"""Questions that may wait for the model; further ones are refused with a message."""

FONTS = ("system-ui", "sans-serif")
"""The system's, so that nothing is loaded from elsewhere."""

_ENVIRONMENT = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""Set before Gradio is imported."""


@contextmanager
def private_folder() -> Iterator[None]:
    """Keep Gradio's files in a folder that is deleted at the end, and its telemetry off.

    To be entered before Gradio is imported.
    """
    with tempfile.TemporaryDirectory(prefix="mata-web-") as folder:
        own = {**_ENVIRONMENT, "GRADIO_TEMP_DIR": folder}
        before = {name: os.environ.get(name) for name in own}
        os.environ.update(own)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def serve(
    blocks: gr.Blocks, host: str, port: int | None, most_megabytes: int, share: bool = False
) -> tuple[str, str | None]:
    """Serve the page in the background, and return its address and its public one, if any.

    Args:
        blocks: the page.
        host: address to listen on.
        port: port to listen on; None for the first free one from 7860 on.
        most_megabytes: largest upload.
        share: also make a public link, through Gradio's servers.

    Raises:
        OSError: the port is not free.
    """
    import gradio as gr

    from mata_audio.listening_view import style
    from mata_audio.web.page import CSS

    theme = gr.themes.Default(primary_hue="blue", font=FONTS, font_mono=FONTS)
    theme.set(block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300")
    blocks.queue(default_concurrency_limit=4, max_size=MOST_WAITING)
    _, local, public = blocks.launch(
        server_name=host,
        server_port=port,
        share=share,
        prevent_thread_lock=True,
        quiet=True,
        max_file_size=f"{most_megabytes}mb",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        theme=theme,
        head=f"<style>{style()}{CSS}</style>",  # as ``css``, Gradio would change its selectors
    )
    return local, public
