"""A half-made environment: each command says in a line what to install, and --help still helps."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mata_audio
from mata_audio import MissingLibraryError, SettingsError
from mata_audio.needed_libraries import NEEDED, missing_library

ROOT = Path(__file__).parents[2]

FAILING = """\
import sys
class Failing:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            raise {error}
sys.meta_path.insert(0, Failing())
"""

NOT_THERE = "ModuleNotFoundError('No module named ' + repr(name), name=name)"

OLD = """\
import importlib.metadata as metadata
real = metadata.version
metadata.version = lambda name: "4.57.1" if name == "transformers" else real(name)
"""

VISION = """\
import importlib.metadata as metadata
from pathlib import Path
before = metadata.version
versions = {"torchvision": "0.28.0", "torch": "2.13.0+cpu"}
metadata.version = lambda name: versions.get(name) or before(name)
package = Path(__file__).parent / "torchvision"
package.mkdir(exist_ok=True)
said = "operator torchvision::nms does not exist"
(package / "__init__.py").write_text(f"raise RuntimeError({said!r})")
"""

OTHER_NUMPY = """\
import torch
def from_numpy(array):
    raise RuntimeError("Numpy is not available")
torch.from_numpy = from_numpy
"""


def failing(name: str, error: str = NOT_THERE) -> str:
    """Return code after which the import of a module fails with an error."""
    return FAILING.format(name=name, error=error)


CASES = {
    "no PyTorch": (
        failing("torch"),
        "PyTorch is not installed: pip install 'torch>=2.6', or without a GPU pip install "
        "--extra-index-url https://download.pytorch.org/whl/cpu 'torch>=2.6' (docs/install.md)",
    ),
    "no Transformers": (
        failing("transformers"),
        "Transformers is not installed: pip install 'transformers>=5.17'",
    ),
    "no NumPy": (
        failing("numpy"),
        "NumPy is not installed: pip install 'numpy>=2.0'",
    ),
    "a shared library of PyTorch is missing": (
        failing("torch", "OSError('libcudart.so.12: cannot open shared object')"),
        "PyTorch is installed, but cannot be used (OSError: libcudart.so.12: cannot open shared "
        "object): pip install --force-reinstall 'torch>=2.6', or without a GPU pip install",
    ),
    "PyTorch is broken": (
        failing("torch", "ImportError('undefined symbol: iJIT_NotifyEvent')"),
        "PyTorch is installed, but cannot be used (ImportError: undefined symbol",
    ),
    "Transformers wants another library": (
        FAILING.format(
            name="transformers", error="ImportError('huggingface-hub>=1.3 is required')"
        ),
        "Transformers is installed, but cannot be used (ImportError: huggingface-hub>=1.3 is requ",
    ),
    "an old Transformers": (
        OLD + failing("mata_audio.models.finding", "ImportError('no PreTrainedConfig')"),
        "Transformers 4.57.1 is too old, as mata-audio needs 5.17 or later: pip install -U "
        "'transformers>=5.17'",
    ),
    "torchvision is for another PyTorch": (
        VISION + failing("mata_audio.models.finding", "RuntimeError('no AutoProcessor')"),
        "torchvision 0.28.0 cannot be used beside PyTorch 2.13.0+cpu (RuntimeError: operator "
        "torchvision::nms does not exist), and Transformers imports it: pip uninstall torchvision, "
        "or install the one for this PyTorch (docs/install.md)",
    ),
    "PyTorch was built for another NumPy": (
        OTHER_NUMPY + failing("mata_audio.models.finding", "RuntimeError('no NumPy')"),
        "PyTorch is installed, but cannot be used (RuntimeError: Numpy is not available): pip",
    ),
}

COMMANDS = (
    "info tiny",
    "ask tiny What? --audio {clip}",
    "eval tiny --task tiny --out out",
    "sweep tiny --task tiny --alphas 1 --out out",
    "demo --items 2",
    "doctor tiny",
)

SCRIPT = """\
import sys
from mata_audio.cli.main import main
for command in sys.argv[1:]:
    print("code", main(command.split()), file=sys.stderr)
"""


def run_in(environment: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python on ``words`` with ``environment`` executed at its start."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(environment)
    path = os.pathsep.join([str(site), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )


@pytest.mark.parametrize("case", CASES)
def test_every_command_says_what_to_install(case: str, clip: Path) -> None:
    environment, said = CASES[case]
    commands = [command.format(clip=clip) for command in COMMANDS]
    done = run_in(environment, clip.parent, "-c", SCRIPT, *commands)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("code")] == ["code 1"] * len(commands)
    errors = [line for line in lines if line.startswith("mata: error: ")]
    assert len(errors) == len(commands)
    for line in errors:
        assert line.startswith(f"mata: error: {said}")
    assert not (clip.parent / "out").exists()


@pytest.mark.parametrize("words", ["--help", "--version", "methods", "methods contrast", "ask -h"])
def test_what_needs_no_libraries_still_works(words: str, tmp_path: Path) -> None:
    none = "".join(CASES[case][0] for case in ("no PyTorch", "no Transformers"))
    done = run_in(none, tmp_path, "-m", "mata_audio", *words.split())
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    "line", ["mata_audio.evaluate", "mata_audio.load", "from mata_audio import profile"]
)
def test_from_python(line: str, tmp_path: Path) -> None:
    environment, said = CASES["no PyTorch"]
    code = (
        "import mata_audio\n"
        "from mata_audio import MATA, MissingLibraryError\n"
        "MATA(alpha=0.1)\n"
        f"try:\n    {line}\n"
        "except ImportError as error:\n"
        "    assert isinstance(error, MissingLibraryError)\n    print(error)\n"
    )
    done = run_in(environment, tmp_path, "-c", code)
    assert done.stdout.strip() == said, done.stderr


def test_an_error_that_is_not_of_the_installation_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not its own cause either: whoever follows the causes of errors would never end."""
    error = ImportError("of a library that is not needed")

    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(ImportError) as caught:
        _ = mata_audio.timeline
    assert caught.value is error
    assert error.__cause__ is None


def test_other_errors_are_not_explained_away() -> None:
    assert missing_library(SettingsError("alpha")) is None
    assert missing_library(FileNotFoundError(2, "No such file", "x.json")) is None
    assert missing_library(ImportError("of a library that is not needed")) is None
    assert issubclass(MissingLibraryError, ImportError)


def test_the_oldest_versions_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [re.fullmatch(r"([\w-]+)>=([\d.]+)", own) for own in project["dependencies"]]
    assert {found[1]: found[2] for found in wanted if found} == NEEDED
