"""What is in the two packages: the wheel holds `src/`, the source distribution the repository.

`python tools/package_contents.py dist` holds them against the files that git tracks: each of them
is there, and nothing else but what the build itself writes.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]


def in_wheel(path: Path) -> set[str]:
    """Return the files of a wheel but for its own record, `*.dist-info`."""
    with zipfile.ZipFile(path) as wheel:
        names = {info.filename for info in wheel.infolist() if not info.is_dir()}
    return {name for name in names if not PurePosixPath(name).parts[0].endswith(".dist-info")}


def in_source_distribution(path: Path) -> set[str]:
    """Return the files of a source distribution but for what setuptools writes into it."""
    with tarfile.open(path) as archive:
        members = [PurePosixPath(member.name) for member in archive if not member.isdir()]
    names = {PurePosixPath(*member.parts[1:]) for member in members}
    written = {PurePosixPath("PKG-INFO"), PurePosixPath("setup.cfg")}
    return {str(name) for name in names - written if not name.parent.name.endswith(".egg-info")}


def differences(what: str, held: set[str], wanted: set[str]) -> list[str]:
    """Return a line for each file that a package lacks, or has too much."""
    lines = [f"{what} lacks {name}" for name in sorted(wanted - held)]
    return lines + [
        f"{what} has {name}, which git does not track" for name in sorted(held - wanted)
    ]


def tracked() -> set[str]:
    """Return the files that git tracks and that are there."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True, text=True
    ).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).exists()}


def main(folder: Path, files: set[str]) -> int:
    """Check a folder's wheel and source distribution against files; return the exit code."""
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    code = {name.removeprefix("src/") for name in files if name.startswith("src/")}
    held = {wheel.name: in_wheel(wheel), source.name: in_source_distribution(source)}
    wrong = [
        *differences(wheel.name, held[wheel.name], code),
        *differences(source.name, held[source.name], files),
    ]
    for path in (wheel, source):
        megabytes = path.stat().st_size / 1e6
        print(f"{path.name}: {len(held[path.name])} files, {megabytes:.1f} MB")
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), tracked()))
