"""The former place of :mod:`mata_audio.cli.libraries`."""

from mata_audio.cli.libraries import quiet_libraries, use_one_thread

__all__ = ["quiet_libraries", "use_one_thread"]
