"""A served page for tests: the embedded model, a port of its own, and what the page holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mata_audio.asking import Asker
from mata_audio.models.loading import load
from mata_audio.tiny import MODEL_PATH
from mata_audio.web.serving import private_folder, serve
from mata_audio.web.visits import Visits


@dataclass
class Served:
    """A page that is served.

    Args:
        address: where.
        asker: what it asks.
        visits: what it holds for each tab.
        folder: where Gradio keeps its files.
    """

    address: str
    asker: Asker
    visits: Visits
    folder: Path

    def files(self) -> list[Path]:
        """Every file with content; for setting files Gradio also makes an empty one."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return [path for path in files if path.stat().st_size]


@contextmanager
def served(most_megabytes: int = 1) -> Iterator[Served]:
    """Serve the page of the embedded model."""
    import os

    with private_folder():
        from mata_audio.web.listening import Listening
        from mata_audio.web.page import build_page
        from mata_audio.web.starting_points import starting_points

        loaded = load("tiny", device="cpu")
        asker, visits = Asker(loaded), Visits()
        page = build_page(Listening(asker, 8), starting_points(loaded, MODEL_PATH), visits)
        address, public = serve(page, "127.0.0.1", None, most_megabytes)
        assert public is None
        try:
            yield Served(address, asker, visits, Path(os.environ["GRADIO_TEMP_DIR"]))
        finally:
            page.close(verbose=False)
