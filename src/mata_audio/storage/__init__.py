"""Files on disk: the folder of a run, and files that are written whole or not at all.

``run_folder`` is the folder, ``items_file`` its finished items, ``environment`` what the run ran
on; ``atomic_file`` writes a file, ``file_names`` names those of settings and items.
"""
