"""Audio files in, samples out: formats, rates, channels, and everything wrong a file can be."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mata_audio import AudioError, MataError
from mata_audio.models.audio import SilentAudioWarning, load_audio

RATE = 16_000
TONE = 440.0


def tone(rate: int, seconds: float = 1.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * TONE * np.arange(round(rate * seconds)) / rate)


def peak_hertz(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.fft.rfftfreq(len(samples), 1 / rate)[spectrum.argmax()])


def written(path: Path, rate: int = RATE, channels: int = 1, seconds: float = 1.0) -> Path:
    soundfile.write(path, np.tile(tone(rate, seconds)[:, None], (1, channels)), rate)
    return path


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_every_format_rate_and_channel_count(
    tmp_path: Path, kind: str, rate: int, channels: int
) -> None:
    samples = load_audio(written(tmp_path / f"a.{kind}", rate, channels), RATE).samples
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert abs(len(samples) - RATE) <= 1
    assert abs(peak_hertz(samples, RATE) - TONE) <= 1
    assert 0.4 < np.abs(samples[2000:-2000]).max() < 0.6


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_mp3(tmp_path: Path, rate: int, channels: int) -> None:
    samples = load_audio(written(tmp_path / "a.mp3", rate, channels), RATE).samples
    assert abs(len(samples) - RATE) <= 0.1 * RATE  # encoders pad
    assert abs(peak_hertz(samples, RATE) - TONE) <= 1.5


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    written(tmp_path / "a.mp3").rename(tmp_path / "a.wav")
    assert abs(peak_hertz(load_audio(tmp_path / "a.wav", RATE).samples, RATE) - TONE) <= 1.5


def test_channels_are_averaged(tmp_path: Path) -> None:
    stereo = np.stack([tone(RATE), np.zeros(RATE)], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, RATE, subtype="FLOAT")
    expected = (tone(RATE) / 2).astype(np.float32)
    np.testing.assert_allclose(load_audio(tmp_path / "a.wav", RATE).samples, expected, atol=1e-7)


def test_resampling_does_not_alias(tmp_path: Path) -> None:
    high = 0.5 * np.sin(2 * np.pi * 12_000 * np.arange(48_000) / 48_000)
    soundfile.write(tmp_path / "a.wav", high, 48_000)
    assert np.abs(load_audio(tmp_path / "a.wav", RATE).samples[1000:-1000]).max() < 1e-3


def test_silence_is_a_warning(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    with pytest.warns(SilentAudioWarning, match="is silent"):
        assert not load_audio(tmp_path / "a.wav", RATE).samples.any()


def test_exactly_the_longest_duration_is_allowed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", rate=44_100, seconds=2)
    assert len(load_audio(path, RATE, longest=2).samples) == 2 * RATE


def bad_file(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.wav"
    good = written(folder / "good.wav").read_bytes()
    contents = {
        "empty": b"",
        "text": b"this is no audio\n" * 50,
        "noise": np.random.default_rng(1).bytes(5000),
        "header": good[:30],
        "cut": good[:10_000],
        "zero-hertz": good[:24] + struct.pack("<I", 0) + good[28:],
    }
    samples = {
        "no-samples": np.zeros(0),
        "nan": np.array([0.0, np.nan] * RATE),
        "infinite": np.array([0.0, np.inf] * RATE),
        "short": tone(RATE)[:10],
    }
    if kind == "folder":
        path.mkdir()
    elif kind in contents:
        path.write_bytes(contents[kind])
    elif kind in samples:
        soundfile.write(path, samples[kind], RATE, subtype="FLOAT")
    elif kind == "hour":
        soundfile.write(path, np.zeros(3600 * 8000, dtype=np.int16), 8000, format="FLAC")
    elif kind == "cut-flac":
        noise = 0.1 * np.random.default_rng(0).standard_normal(RATE)
        soundfile.write(path, noise, RATE, format="FLAC")
        path.write_bytes(path.read_bytes()[:9000])
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "no such audio file"),
        ("folder", "is a folder"),
        ("empty", "is empty"),
        ("text", "in no known format"),
        ("noise", "in no known format"),
        ("header", "cannot be decoded"),
        ("cut", "is damaged"),
        ("cut-flac", "damaged"),
        ("zero-hertz", "0 Hz"),
        ("no-samples", "holds no samples"),
        ("nan", "not finite"),
        ("infinite", "not finite"),
        ("short", "too short: 0.000625 s.*at least 0.02 s"),
        ("hour", r"too long: 3,600 s \(60 minutes\).*at most 30 s"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, kind: str, words: str) -> None:
    path = bad_file(kind, tmp_path)
    with pytest.raises(AudioError, match=words) as caught:
        load_audio(path, RATE, shortest=0.02, longest=30)
    assert isinstance(caught.value, MataError)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_long_file_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bad_file("hour", tmp_path)
    monkeypatch.setattr(soundfile.SoundFile, "read", None)
    with pytest.raises(AudioError, match="too long"):
        load_audio(path, RATE, longest=30)


def test_a_streamed_wav_without_its_length_is_read(tmp_path: Path) -> None:
    data = bytearray(written(tmp_path / "a.wav").read_bytes())
    data[4:8] = data[40:44] = struct.pack("<I", 0xFFFFFFFF)  # as `ffmpeg ... -` writes it
    (tmp_path / "a.wav").write_bytes(data)
    assert len(load_audio(tmp_path / "a.wav", RATE).samples) == RATE
