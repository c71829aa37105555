"""File names of settings and items: never one for two of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import ITEMS

from mata_audio import MATA
from mata_audio.evaluation import NamedSetting, evaluate
from mata_audio.storage.file_names import file_stems


@given(st.sets(st.text(min_size=1, max_size=300), max_size=20))
def test_names_that_differ_have_files_that_differ(names: set[str]) -> None:
    stems = file_stems(names)
    assert set(stems) == names
    assert len({stem.casefold() for stem in stems.values()}) == len(names)
    for stem in stems.values():
        assert stem == Path(stem).name
        assert len(stem) <= 120
        assert not stem.startswith(".")


def test_plain_names_stay_as_they_are() -> None:
    plain = ["baseline", "MATA", "alpha-0.1", "größe_2", "音声"]
    assert file_stems(plain) == {name: name for name in plain}


@pytest.mark.parametrize(
    "names",
    [("layers 0-11", "layers 0,11"), ("baseline", "baseline."), ("mata", "MATA"), ("?", "!")],
)
def test_names_that_reduce_to_one_are_told_apart(names: tuple[str, str]) -> None:
    one, other = file_stems(names).values()
    assert one.casefold() != other.casefold()


def test_predictions_of_similar_names_are_all_written(tmp_path: Path) -> None:
    """Once "baseline." replaced the predictions of the baseline."""
    settings = [
        NamedSetting("baseline.", MATA(alpha=5, layers="3-7")),
        NamedSetting("layers 0-11", MATA(alpha=0.5, layers="0-11")),
        NamedSetting("layers 0,11", MATA(alpha=5, layers="0,11")),
    ]
    results = evaluate("tiny", "tiny", tmp_path, settings=settings, limit=ITEMS)
    written = [json.loads(path.read_text()) for path in (tmp_path / "predictions").iterdir()]
    assert len(written) == 4
    read = [
        {item.id: item.answers[setting.name].read for item in results.items}
        for setting in results.settings
    ]
    assert read[0] != read[1]
    found = [{line["id"]: line["prediction"] for line in lines} for lines in written]
    for answers in read:
        assert answers in found
