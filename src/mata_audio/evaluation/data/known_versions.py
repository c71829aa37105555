"""Which release of a benchmark a question file is, by its sha256."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

# https://github.com/Sakshi113/MMAU: every mmau-test-mini.json that was ever on its main branch,
# its sha256 by its date.
# The revision named v05.15.25 was announced on 2025-05-15 and edited until 2025-08-09; the
# last of the original files and the last of v05.15.25 share 894 ids, of which 258 differ in
# question, choices or answer.
_MMAU_ORIGINAL = {
    "2024-10-23, without ids": "bef649e4bdeb436779a929ccdb9caa3f5144899bd087fc05e23065268ba888cc",
    "2024-10-25": "a5006730ccb3fbf1fc72016774413b9b4a596bb00ce8f37796d9d30979b46192",
    "2024-10-29": "1b6d31d0b70c2944a064a5de0147435427af0bcd3167eff175daa8bd5321e9d3",
    "2024-12-09": "850c2794664d53c1f7e7e2bcf35744b9ab4e60debad2156d67efd6956220affa",
    "2025-01-28": "ed2fd6b6c24ebec1a5a496de5d767e7ebfe79556044d8f0d8bd00ad0cf02d623",
    "2025-03-25": "e8cc09223b497191781756212cb616315690aaa6ea7ac359db1b65d97d1e2433",
}
_MMAU_V05_15_25 = {
    "2025-05-15": "d35ec10bc3097fc605661b0eed00a487da74a6e7d9e23736567312c632347400",
    "2025-05-16, first": "9da96f00e43890adfbac3628b7b0dab3a32a6d6ec2d0a800b892ee261d35b818",
    "2025-05-16": "ea9f3f53085a2dfcf9ea7f5b2fca76a6634cd212af084bbb4cd8bf22c8903537",
    "2025-05-18": "cafecebbb4e48b9eb83fd88916911a853245379812e08f118984510340b2dc5b",
    "2025-05-19": "cc59d9e3fad1a675f311f341b53b05079b94e735e5bc8992ac881ebeda2976f5",
    "2025-05-22": "157f1968a686c9e7ffb3669e13296349af72afe78af19c049e5d459ccb59d402",
    "2025-05-24": "e0042de8b99492539b0a17997b6c12fff90a6d42a47ad5fd8801c80dcb52b405",
    "2025-05-30": "0bbabee60dcbd76815948394ac2dd31c41d18ab1215fe6fd6f93e0e510f78d7a",
    "2025-06-23, first": "5c63fe8f2de12e848be146e48436567c2022fe84ea0012da560003c30a24b2b7",
    "2025-06-23": "3940399a013d5f6d528ad4f5d1701cce29cdb5b19ccd4e6ab2800e0665dd6ac9",
    "2025-08-09": "9f18fda99f8dbc2bc5ecd6323fb5063309f54969810b5c6f1caeb3b8d904cf1c",
}

KNOWN_VERSIONS = {
    **{digest: f"MMAU original ({date})" for date, digest in _MMAU_ORIGINAL.items()},
    **{digest: f"MMAU v05.15.25 ({date})" for date, digest in _MMAU_V05_15_25.items()},
    # https://github.com/ddlBoJack/MMAR
    "7240ecca11b252c782ef44d4d19f711dd9b8424656a2bc3f92c548e318d25cee": "MMAR (2025-05-11)",
    "1c9a343e7bebf1037482b935c54eacd43cc63df7b2c668724b5560caf1f84fad": (
        "MMAR with rubrics (2026-02-16)"
    ),
}


def sha256(file: Path) -> str:
    """Return the sha256 of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def version_of(files: Mapping[str, str]) -> str | None:
    """Return the name of the release that files with these sha256 belong to; None if unknown."""
    names = {KNOWN_VERSIONS.get(digest) for digest in files.values()}
    return names.pop() if len(names) == 1 else None
