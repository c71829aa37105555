"""Files on disk: the folder of a run, and files that are written whole or not at all.

``run_folder`` is the folder, ``manifest`` the fields of its ``run.json``, ``items_file`` its
finished items, ``environment`` what the run ran on; ``atomic_file`` writes a file, ``file_names``
names those of settings and items, ``file_digests`` tells files apart; ``cache_folder`` is where
files lie that can be made again.
"""
