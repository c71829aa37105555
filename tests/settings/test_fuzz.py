"""Broken settings files and broken audio give a clear error or a right result, nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from mata_audio import MATA, MataError
from mata_audio.errors import AudioError
from mata_audio.models.audio import SilentAudioWarning, decode_audio

# Python prints what a libsndfile callback cannot raise: a user would see a traceback.
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")

RATE = 16_000
LONGEST = 30.0

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["10-20", "multiply", "last-3", "1e999", "9" * 400, "0-99999999"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
FIELDS = (
    "alpha", "layers", "heads", "formula", "gains", "rows", "seed", "tokens", "on_no_audio",
    "tuned_on", "Alpha",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(FIELDS), anything) | anything)
def test_any_json_is_a_setting_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with contextlib.suppress(MataError):
        mata = MATA.load(path)
        mata.save(path)
        assert MATA.load(path) == mata


@given(st.binary(max_size=200))
def test_any_bytes_are_no_setting(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    path.write_bytes(data)
    with contextlib.suppress(MataError):
        assert isinstance(MATA.load(path), MATA)


def encoded(form: str, subtype: str, rate: int = RATE, channels: int = 1) -> bytes:
    """A quarter of a second of noise."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (rate // 4, channels))
    stream = io.BytesIO()
    soundfile.write(stream, noise, rate, format=form, subtype=subtype)
    return stream.getvalue()


FILES = {
    "wav": encoded("WAV", "PCM_16"),
    "float-wav": encoded("WAV", "FLOAT"),
    "wav-8-channels": encoded("WAV", "PCM_24", channels=8),
    "wav-192-khz": encoded("WAV", "PCM_16", rate=192_000),
    "flac": encoded("FLAC", "PCM_16"),
    "ogg": encoded("OGG", "VORBIS"),
    "mp3": encoded("MP3", "MPEG_LAYER_III"),
    "aiff": encoded("AIFF", "PCM_16"),
}


def heard_or_refused(content: bytes) -> None:
    """A decoded clip is mono, finite, at the requested rate, and of the stated length."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", SilentAudioWarning)
        try:
            clip = decode_audio(content, "clip", RATE, longest=LONGEST)
        except AudioError:
            return
    assert clip.samples.ndim == 1
    assert clip.samples.dtype == np.float32
    assert np.isfinite(clip.samples).all()
    assert abs(len(clip.samples) / RATE - clip.heard) < 0.01
    assert clip.heard <= LONGEST


@pytest.mark.parametrize("name", FILES)
def test_whole_files_are_right(name: str) -> None:
    clip = decode_audio(FILES[name], name, RATE)
    assert clip.seconds == pytest.approx(0.25, abs=0.06 if name == "mp3" else 1e-3)
    assert 0.1 < np.abs(clip.samples).max() < 1.2


@given(st.sampled_from(sorted(FILES)), st.floats(0, 1))
def test_truncated_files(name: str, part: float) -> None:
    heard_or_refused(FILES[name][: int(part * len(FILES[name]))])


@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_bytes_changed_in_the_header(name: str, changes: list[tuple[int, int]]) -> None:
    content = bytearray(FILES[name])
    for place, value in changes:
        content[place % len(content)] = value
    heard_or_refused(bytes(content))


@given(st.sampled_from(sorted(FILES)), st.binary(min_size=1, max_size=64), st.floats(0, 1))
def test_bytes_put_in(name: str, extra: bytes, part: float) -> None:
    place = int(part * len(FILES[name]))
    heard_or_refused(FILES[name][:place] + extra + FILES[name][place:])


@given(st.binary(max_size=400))
def test_any_bytes(content: bytes) -> None:
    heard_or_refused(content)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite(value: float) -> None:
    samples = np.zeros(4000, dtype=np.float32)
    samples[1234] = value
    stream = io.BytesIO()
    soundfile.write(stream, samples, RATE, format="WAV", subtype="FLOAT")
    with pytest.raises(AudioError, match="not finite"):
        decode_audio(stream.getvalue(), "clip", RATE)


def test_zero_hertz(tmp_path: Path) -> None:
    content = bytearray(FILES["wav"])
    content[24:28] = bytes(4)
    with pytest.raises(AudioError, match="0 Hz"):
        decode_audio(bytes(content), "clip", RATE)
