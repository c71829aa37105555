"""Files that are missing, broken, empty, unreadable or folders: a line that says what to give."""

from __future__ import annotations

import io
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from running import Mata, error_line

EVAL = "eval tiny --task tiny --out out"
STUDY = "study tiny --task tiny --out out"
ASK = "ask tiny What? --audio"

SETTINGS = "give the JSON file that a method's save, mata sweep or mata choose wrote"
RUN = "give the folder of a finished run"
A_RUN = "give the folder of a run"
PREDICTIONS = "give a file of predictions"
A_STUDY = "give a study's folder or file"
STUDY_FILE = "give the study.json that mata study wrote"
IDS = "give ids separated by commas, or a text file with one id a line"
TEMPLATE = "give the name of a template, or a file ending in .json or .txt"
HUB = "a hub id looks like"


@pytest.fixture
def there(small_run: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files of every wrong kind; nobody may read those that are called secret."""
    folder = clip.parent
    (folder / "folder").mkdir()
    (folder / "folder.json").mkdir()
    for name in ("empty.json", "empty.wav"):
        (folder / name).touch()
    (folder / "broken.json").write_text('{"alpha": ')
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00")
    for name in ("secret.json", "secret.jsonl", "secret.txt"):
        (folder / name).write_text("{}")
    shutil.copytree(small_run, folder / "run")
    shutil.copytree(small_run, folder / "broken")
    for name in ("results.json", "run.json"):
        (folder / "broken" / name).write_text("{")
    real = io.open

    def closed(file: Any, *args: Any, **kwargs: Any) -> Any:
        if "secret" in str(file):
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, *args, **kwargs)

    monkeypatch.setattr("io.open", closed)
    monkeypatch.setattr("builtins.open", closed)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("command", "path", "to_do"),
    [
        (f"{EVAL} --settings nope.json", "nope.json", SETTINGS),
        (f"{EVAL} --settings folder", "folder", SETTINGS),
        (f"{EVAL} --settings broken.json", "broken.json", SETTINGS),
        (f"{EVAL} --settings empty.json", "empty.json", SETTINGS),
        (f"{EVAL} --settings binary.txt", "binary.txt", SETTINGS),
        (f"{EVAL} --settings secret.json", "secret.json", SETTINGS),
        (f"{EVAL} --setting nope.json", "nope.json", SETTINGS),
        (f"{EVAL} --setting own:nope.json", "nope.json", SETTINGS),
        (f"{EVAL} --setting folder", "folder", SETTINGS),
        (f"{ASK} clip.wav --settings nope.json", "nope.json", SETTINGS),
        ("serve tiny --settings nope.json", "nope.json", SETTINGS),
        ("web tiny --settings nope.json", "nope.json", SETTINGS),
        ("web tiny --settings broken.json", "broken.json", SETTINGS),
        ("demo --settings nope.json", "nope.json", SETTINGS),
        ("profile tiny --task tiny --settings nope.json", "nope.json", SETTINGS),
        (f"{STUDY} --carry nope.json", "nope.json", SETTINGS),
        (f"{STUDY} --carry broken.json", "broken.json", SETTINGS),
        (f"{STUDY} --carry folder", "folder/study.json", A_STUDY),
        ("study --check nope.json", "nope.json", A_STUDY),
        ("study --check folder", "folder/study.json", A_STUDY),
        ("study --check broken.json", "broken.json", STUDY_FILE),
        ("study --check empty.json", "empty.json", STUDY_FILE),
        ("study --check secret.json", "secret.json", STUDY_FILE),
        ("study --join nope", "nope", A_STUDY),
        ("study --join folder", "folder/study.json", A_STUDY),
        (f"{EVAL} --ids nope.txt", "nope.txt", IDS),
        (f"{EVAL} --ids folder", "folder", IDS),
        (f"{EVAL} --ids empty.json", "empty.json", IDS),
        (f"{EVAL} --ids binary.txt", "binary.txt", IDS),
        (f"{EVAL} --ids secret.txt", "secret.txt", IDS),
        (f"{EVAL} --template nope.json", "nope.json", TEMPLATE),
        (f"{EVAL} --template folder.json", "folder.json", TEMPLATE),
        (f"{EVAL} --template secret.txt", "secret.txt", TEMPLATE),
        (f"{EVAL} --template broken.json", "broken.json", "is not JSON"),
        ("score mmau nope.json", "nope.json", PREDICTIONS),
        ("score mmau folder", "folder", PREDICTIONS),
        ("score mmau secret.json", "secret.json", PREDICTIONS),
        ("score mmau broken.json", "broken.json", "is not JSON"),
        ("score mmau empty.json", "empty.json", "is not JSON"),
        ("score mmsu nope.jsonl", "nope.jsonl", PREDICTIONS),
        ("score mmar nope.json", "nope.json", PREDICTIONS),
        ("score air-bench nope.jsonl", "nope.jsonl", PREDICTIONS),
        ("report nope", "nope", RUN),
        ("report folder", "folder/results.json", RUN),
        ("report clip.wav", "clip.wav", RUN),
        ("report broken", "broken/results.json", RUN),
        ("report secret.json", "secret.json", RUN),
        ("report run --html folder", "folder", "Is a directory"),
        ("pictures nope", "nope", RUN),
        ("compare run nope", "nope", RUN),
        ("compare nope run", "nope", RUN),
        ("compare run folder", "folder/results.json", RUN),
        ("rescore nope --reader letter", "nope", A_RUN),
        ("rescore folder --reader letter", "folder", A_RUN),
        ("rescore clip.wav --reader letter", "clip.wav/run.json", A_RUN),
        ("rescore broken --reader letter", "broken/run.json", A_RUN),
        (f"{ASK} nope.wav", "nope.wav", "no such audio file"),
        (f"{ASK} folder", "folder", "name a file in it"),
        (f"{ASK} empty.wav", "empty.wav", "copy or download it again"),
        (f"{ASK} broken.json", "broken.json", "give WAV, FLAC, OGG or MP3"),
        (f"{ASK} clip.wav --json folder", "folder", "give a file"),
        ("eval tiny --task jsonl --out out --data nope.jsonl", "nope.jsonl", HUB),
        ("eval tiny --task mmau --out out --data ./nope", "./nope", HUB),
        ("eval tiny --task jsonl --out out --data folder", "folder", "looked for questions.jsonl"),
        ("eval tiny --task jsonl --out out --data empty.json", "empty.json", "holds no records"),
        ("eval tiny --task jsonl --out out --data broken.json", "broken.json", "neither a JSON"),
        (f"{STUDY} --report-task jsonl --report-data nope.jsonl", "nope.jsonl", HUB),
        ("eval tiny --task tiny --items 1 --out clip.wav", "clip.wav", "give a new folder"),
        ("study tiny --task tiny --out clip.wav", "clip.wav", "give a new folder"),
        ("reproduce paper --out clip.wav", "clip.wav", "give a folder"),
        ("profile tiny --task tiny --pictures clip.wav", "clip.wav", "give a folder"),
        ("profile tiny --task tiny --json folder", "folder", "give a file"),
        ("doctor tiny --json folder", "folder", "give a file"),
        ("demo --out clip.wav --items 2", "clip.wav", "give another folder"),
        ("info ./nope", "./nope", "no such model folder"),
        ("info clip.wav", "clip.wav", "give the model's folder"),
        ("info folder", "folder", "give the folder that save_pretrained wrote"),
    ],
)
def test_a_line_says_what_to_give(
    command: str, path: str, to_do: str, mata: Mata, there: Path
) -> None:
    outcome = mata(*shlex.split(command))
    assert outcome.code in (1, 2)
    line = error_line(outcome)
    assert path in line
    assert to_do in line
    assert "Errno 2]" not in line
    assert "unexpected" not in line
    assert not (there / "out").exists()


def test_pictures_where_a_file_is(mata: Mata, there: Path) -> None:
    pytest.importorskip("matplotlib")
    line = error_line(mata("pictures", "run", "--out", "clip.wav"))
    assert "clip.wav cannot be made (File exists): give another folder" in line
