"""Every wrong use of every command: its exit code, its one line of error, and no file written."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from running import Mata, error_line

ASK = "ask model What? --audio clip.wav"
EVAL = "eval tiny --out run --task"
PROFILE = "profile tiny --task"
SWEEP = "sweep tiny --task tiny --split tune --out run"
CHOOSE = "choose tiny --task tiny --split tune --out run"
REPRODUCE = "reproduce paper --out run"


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("", 2, "COMMAND"),
        ("nonsense", 2, "nonsense"),
        ("ask tiny", 2, "required: --audio"),
        ("ask", 2, "required: MODEL, --audio"),
        (f"{ASK} --alpha much", 2, "invalid float value"),
        (f"{ASK} --alpha nan", 2, "finite"),
        (f"{ASK} --alpha inf", 2, "finite"),
        (f"{ASK} --layers 2-9", 2, "layers 4-9 out of range: this model has 4 decoder layers"),
        (f"{ASK} --heads 4", 2, "heads 4 out of range: this model has 4 query heads, numbered 0-3"),
        (f"{ASK} --layers high", 2, "cannot be read"),
        (f"{ASK} --formula divide", 2, "'multiply', 'absolute', 'add'"),
        (f"{ASK} --max-new-tokens 0", 2, "1 or more"),
        (f"{ASK} --device toaster", 2, "toaster"),
        (f"{ASK} --attention nonsense", 2, "nonsense"),
        ("ask model '' --audio clip.wav", 2, "the question"),
        ("ask model '  ' --audio clip.wav", 2, "the question"),
        ("ask model 'What is <|AUDIO|>?' --audio clip.wav", 2, "the question"),
        ("demo --items some", 2, "invalid int value"),
        ("demo --items 0", 2, "--items must be 1 to 2412"),
        ("demo --items 2413", 2, "--items must be 1 to 2412"),
        ("demo --alpha nan", 2, "finite"),
        ("demo --layers 90-99", 2, "out of range"),
        ("demo --formula divide", 2, "'multiply'"),
        ("demo --out clip.wav", 2, "give another folder"),
        ("demo --json nowhere/at/all.json", 2, "not a file in a folder that exists"),
        ("demo --keep-clips .", 2, "new or empty folder"),
        ("doctor", 2, "give either a MODEL or --all-families"),
        ("doctor tiny --all-families", 2, "give either a MODEL or --all-families"),
        ("doctor --all-families --attention eager", 2, "need a MODEL"),
        ("doctor --all-families --trust-remote-code", 2, "need a MODEL"),
        ("doctor tiny --json /no/such/folder/x.json", 2, "there is no folder /no/such/folder"),
        ("doctor tiny --dtype int8", 2, "dtype must be one of"),
        ("doctor ./nothing", 1, "no such model folder"),
        ("info ./nothing", 1, "no such model folder"),
        (f"{EVAL} chess", 2, "mmau"),
        (f"{EVAL} mmau", 1, "needs its data"),
        (f"{EVAL} tiny --alpha x", 2, "invalid float"),
        (f"{EVAL} tiny --setting alpha", 2, "cannot read 'alpha'"),
        (f"{EVAL} tiny --setting 'alpha=1 alpha=2'", 2, "cannot read 'alpha=2'"),
        (f"{EVAL} tiny --setting 'power=1'", 2, "mata has no field 'power'; it has alpha, layers"),
        (f"{EVAL} tiny --setting 'method=nope'", 2, "no method 'nope'; there are "),
        (f"{EVAL} tiny --setting 'method=contrast layers=3'", 2, "contrast has no field 'layers'"),
        (f"{EVAL} tiny --setting 'method=contrast power=x'", 2, "power must be a number"),
        (f'{EVAL} tiny --setting "alpha=\'1"', 2, "No closing quotation"),
        (f"{EVAL} tiny --method nope", 2, "no method 'nope'; there are "),
        (f"{EVAL} tiny --method contrast --layers 3", 2, "contrast has no field 'layers'; it has"),
        (f"{EVAL} tiny --method mass --formula add", 2, "mass has no field 'formula'"),
        (f"{EVAL} tiny --option power", 2, "write --option FIELD=VALUE"),
        (f"{EVAL} tiny --option alpha=1 --alpha 1", 2, "alpha is given twice"),
        (f"{EVAL} tiny --option seed=1 --option seed=2", 2, "seed is given twice"),
        (f"{EVAL} tiny --option gains=1", 2, "give it with --settings"),
        (f"{EVAL} tiny --method mass --settings model/config.json", 2, "config.json"),
        (f"{EVAL} tiny --baseline-only --alpha 1", 2, "drop one"),
        (f"{EVAL} tiny --baseline-only --method mass", 2, "drop one"),
        (f"{EVAL} tiny --batch-size big", 2, "a number of tokens such as"),
        (f"{EVAL} tiny --ids nobody", 2, "'nobody'"),
        (f"{EVAL} tiny --template nowhere.json", 1, "nowhere.json"),
        (f"{EVAL} tiny --max-errors -1", 2, "max_errors"),
        (f"{PROFILE} chess", 2, "mmau"),
        (f"{PROFILE} mmau", 1, "needs its data"),
        (f"{PROFILE} tiny --items 0", 2, "--items"),
        (f"{PROFILE} tiny --new-tokens -1", 2, "--new-tokens"),
        (f"{PROFILE} tiny --batch-size 0", 2, "batch_size"),
        (f"{PROFILE} tiny --batch-size few", 2, "or \"auto\"; got 'few'"),
        (f"{PROFILE} tiny --json nowhere/profile.json", 2, "no folder"),
        (f"{PROFILE} tiny --listen x", 2, "--pictures FOLDER too"),
        (f"{PROFILE} tiny --pictures clip.wav", 2, "give a folder"),
        (f"{PROFILE} tiny --pictures x --listen y", 2, "no item 'y'"),
        (f"{PROFILE} tiny --layers 40", 2, "numbered 0-11"),
        (f"{PROFILE} tiny --method contrast", 2, "a method that only changes attention, not con"),
        (SWEEP, 2, "the grid is empty"),
        (f"{SWEEP} --alphas ''", 2, "the grid is empty"),
        (f"{SWEEP} --alphas a,b", 2, "numbers separated by commas"),
        (f"{SWEEP} --preset magic", 2, "paper-layers"),
        (f"{SWEEP} --preset paper-alpha --alphas 1", 2, "leave out --alphas"),
        (f"{SWEEP} --preset methods --methods mass", 2, "--grid and --methods"),
        (f"{SWEEP} --methods contrast --layers 3", 2, "no method of it does: contrast has alpha"),
        (f"{SWEEP} --grid power=1", 2, "no method of it does: mata has alpha"),
        (f"{SWEEP} --methods mass,nope", 2, "no method 'nope'; there are "),
        (f"{SWEEP} --methods ,", 2, "at least one of methods"),
        (f"{SWEEP} --grid power", 2, "write --grid FIELD=VALUE,VALUE"),
        (f"{SWEEP} --grid seed=1 --grid seed=2", 2, "--grid seed= is given twice"),
        (f"{SWEEP} --grid alpha=1", 2, "give --alphas instead"),
        (f"{SWEEP} --methods contrast --grid power=x", 2, "power must be a number"),
        (f"{SWEEP} --layers 90-99", 2, "out of range"),
        (f"{SWEEP} --formulas divide", 2, "'multiply'"),
        (f"{SWEEP} --alphas 1 --items 5", 2, "at least 20"),
        (f"{SWEEP} --alphas 1 --tuning-share 2", 2, "tuning_share"),
        (f"{CHOOSE} --by guess", 2, "knockout, profile, gradient, gradient-heads, tune, search"),
        (f"{CHOOSE} --method gradient", 2, "gradient is a way to choose, not a method: --by grad"),
        (f"{CHOOSE} --method guess", 2, "no method 'guess'; there are "),
        (f"{CHOOSE} --method contrast", 2, "contrast has no layers that could be chosen; these"),
        (f"{CHOOSE} --by tune --method mass", 2, "leave out the method, and give kinds"),
        (f"{CHOOSE} --alphas x", 2, "numbers separated by commas"),
        (f"{CHOOSE} --items 5", 2, "at least 20"),
        ("reproduce thesis --out run", 2, "invalid choice: 'thesis'"),
        (f"{REPRODUCE} --data nowhere", 2, "cannot read --data 'nowhere': write --data KEY=PATH"),
        (f"{REPRODUCE} --data .", 2, "has no subfolder named mmau, mmar"),
        (f"{REPRODUCE} --data mmar=a --data mmar=b", 2, "--data mmar= is given twice"),
        (f"{REPRODUCE} --data flac=a", 2, "no such data: 'flac'; allowed are mmau, mmar"),
        (f"{REPRODUCE} --model tiny", 2, "cannot read --model 'tiny': write --model KEY=PATH"),
        (f"{REPRODUCE} --model gpt=tiny", 2, "no such model: 'gpt'"),
        (f"{REPRODUCE} --only gpt", 2, "no such model: 'gpt'"),
        (
            f"{REPRODUCE} --batch-size lots",
            2,
            "--batch-size: batch_size must be a number",
        ),
        (f"{REPRODUCE} --dtype int1", 2, "dtype must be one of"),
    ],
)
def test_wrong_use(
    command: str,
    code: int,
    words: str,
    mata: Mata,
    qwen2_audio_folder: Path,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (clip.parent / "model").symlink_to(qwen2_audio_folder)
    monkeypatch.chdir(clip.parent)
    outcome = mata(*shlex.split(command))
    assert outcome.code == code
    assert words in error_line(outcome)
    assert {path.name for path in clip.parent.iterdir()} == {"clip.wav", "model"}
