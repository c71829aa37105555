"""Reading audio files for a model: mono, float32, at the model's sampling rate."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from mata_audio.errors import AudioError, MataWarning
from mata_audio.models.addresses import download_advice
from mata_audio.models.nearby import did_you_mean_beside
from mata_audio.shown.one_line import OneLine, described

_BLOCK = 1 << 18
_UNKNOWN_LENGTH = 1 << 62
"""libsndfile gives a count above this if the header does not say how long the stream is."""

_HOW = "give WAV, FLAC, OGG or MP3, or convert it first: ffmpeg -i INPUT output.wav"

_REASONS = {
    "Format not recognised": "its content is in no known format",
    "not a regular file": "its content is in no known format",
    "samplerate must be specified": "raw samples without a header",
    "SF_INFO struct incomplete": "its header gives 0 Hz or 0 channels",
    "lost sync": "its content is damaged",
    "malformed": "its content is damaged",
}
"""Plainer words for what libsndfile reports."""

_CUT_SHORT = re.compile(r"data : (\d+) \(should be \d+\)")
_STREAMED = 0x7FFF_0000
"""WAV writers that do not know the length yet put a size above this into the header."""


class SilentAudioWarning(MataWarning):
    """Every sample of an audio file is zero."""


@dataclass(frozen=True)
class Decoded(OneLine):
    """A clip as a model hears it.

    Args:
        samples: mono, shape ``(samples,)``, normally between -1 and 1.
        seconds: length of the whole clip, in seconds.
        heard: length of ``samples`` in seconds; less than ``seconds`` if the clip was cut.
        sha256: digest of the whole clip's sound as decoded: the file's own sampling rate, and the
            mean over channels before cutting and resampling. So it is the same for every model.
    """

    samples: NDArray[np.float32]
    seconds: float
    heard: float
    sha256: str

    def __repr__(self) -> str:
        cut = f", the beginning of {self.seconds:.4g} s" if self.is_cut else ""
        return described(f"Decoded: {self.heard:.4g} s{cut}, {self.samples.size:,} samples")

    @property
    def is_cut(self) -> bool:
        """Whether only the beginning is heard; a few milliseconds do not count."""
        return self.heard < self.seconds - 0.05


@dataclass(frozen=True)
class _Limit:
    """The longest duration that is decoded, in seconds; None for no limit."""

    longest: float | None
    whose: str = "a clip may have"

    def check(self, path: str, seconds: float) -> None:
        """Refuse a clip that is longer."""
        if self.longest is not None and seconds > self.longest:
            raise AudioError(
                f"{path} is too long: {_duration(seconds)}; {self.whose} at most "
                f"{_duration(self.longest)}: cut it first: "
                f"ffmpeg -i INPUT -t {self.longest:g} output.wav"
            )


def load_audio(
    path: str | Path,
    sampling_rate: int,
    shortest: float = 0.0,
    longest: float | None = None,
    cut: bool = False,
) -> Decoded:
    """Decode an audio file, average its channels and resample it.

    The content decides the format, not the name. A file whose header gives too long a duration is
    refused before it is decoded, unless it is to be cut.

    Args:
        path: a file that libsndfile decodes: WAV, FLAC, OGG, MP3 and others.
        sampling_rate: sampling rate of the result, in Hz.
        shortest: least duration in seconds.
        longest: greatest duration in seconds; None for no limit.
        cut: keep the first ``longest`` seconds of a clip that is longer, instead of refusing it.

    Raises:
        AudioError: the file is an address, missing, a folder, empty, not audio, damaged, without
            samples, with samples that are not finite, too short or too long; the message names the
            file.

    Warns:
        SilentAudioWarning: every sample is zero.
    """
    check_audio_file(path)
    return decode_audio(Path(path), str(path), sampling_rate, shortest, longest, cut)


def decode_audio(
    source: Path | bytes,
    name: str,
    sampling_rate: int,
    shortest: float = 0.0,
    longest: float | None = None,
    cut: bool = False,
    most: float | None = None,
) -> Decoded:
    """Decode audio from a file or from its bytes; see :func:`load_audio`.

    Args:
        source: an existing file, or the bytes of one.
        name: its name in messages.
        sampling_rate: sampling rate of the result, in Hz.
        shortest: least duration in seconds.
        longest: greatest duration in seconds; None for no limit.
        cut: keep the first ``longest`` seconds of a clip that is longer, instead of refusing it.
        most: greatest duration in seconds of a clip that may be cut; None for no limit.

    Raises:
        AudioError: as for :func:`load_audio`.

    Warns:
        SilentAudioWarning: every sample is zero.
    """
    if source == b"":
        raise AudioError(f"{name} is empty (0 bytes): copy or download it again")
    try:
        opened = _Content(source) if isinstance(source, bytes) else str(source)
        with soundfile.SoundFile(opened) as stream:
            channels, rate = stream.channels, stream.samplerate
            mono = _decode(
                stream, name, _Limit(most) if cut else _Limit(longest, "the model hears")
            )
        seconds, sha256 = len(mono) / rate, _digest(mono, rate)
        if longest is not None:
            mono = mono[: int(longest * rate)]
        resampled = mono if rate == sampling_rate else soxr.resample(mono, rate, sampling_rate)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        raise AudioError(f"{name} cannot be decoded as audio ({_reason(error)}); {_HOW}") from error
    if seconds < shortest or len(resampled) == 0:
        raise AudioError(
            f"{name} is too short: {_duration(seconds)}; the model needs at least "
            f"{_duration(shortest)}"
        )
    if not mono.any():
        mixed = f" once its {channels} channels are averaged" if channels > 1 else ""
        warnings.warn(
            f"{name} is silent: every sample is zero{mixed}", SilentAudioWarning, stacklevel=2
        )
    samples = np.ascontiguousarray(resampled, dtype=np.float32)
    return Decoded(samples, seconds, min(seconds, len(mono) / rate), sha256)


def _digest(mono: NDArray[np.float32], rate: int) -> str:
    digest = hashlib.sha256(f"{rate} ".encode())
    digest.update(mono.astype("<f4", copy=False).tobytes())
    return digest.hexdigest()


class _Content(io.BytesIO):
    """The bytes of a file. In a damaged one, libsndfile may seek to before the beginning."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Seek; to the beginning if Python would raise, which a callback could only print."""
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return super().seek(0)


def check_audio_file(name: str | Path) -> None:
    """Check that a file can be read; its content may still be no audio.

    Raises:
        AudioError: it is an address, missing, a folder, empty, or cannot be opened.
    """
    if advice := download_advice(str(name)):
        raise AudioError(f"{name} is an address, and only files are read: {advice}")
    path = Path(name)
    try:
        if path.is_dir():
            raise AudioError(f"{path} is a folder, not an audio file: name a file in it")
        if not path.exists():
            hint = did_you_mean_beside(path, lambda beside: _may_be_audio(beside, path))
            raise AudioError(f"no such audio file: {path}{hint}")
        with path.open("rb") as stream:
            if not stream.read(1):
                raise AudioError(f"{path} is empty (0 bytes): copy or download it again")
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror}") from error


def _may_be_audio(beside: Path, path: Path) -> bool:
    suffix = beside.suffix.lower()
    known = suffix[1:].upper() in soundfile.available_formats() or suffix == path.suffix.lower()
    return known and beside.is_file()


def _decode(stream: soundfile.SoundFile, path: str, limit: _Limit) -> NDArray[np.float32]:
    """Return the mean over channels, shape ``(frames,)``, at the file's own rate."""
    rate, promised = stream.samplerate, stream.frames
    if promised < _UNKNOWN_LENGTH:
        limit.check(path, promised / rate)
    cut = _CUT_SHORT.search(stream.extra_info)
    if cut is not None and int(cut[1]) < _STREAMED:
        raise AudioError(f"{path} is damaged: it is shorter than its header says; copy it again")
    parts: list[NDArray[np.float32]] = []
    decoded = 0
    while len(block := stream.read(_BLOCK, dtype="float32", always_2d=True)):
        with np.errstate(invalid="ignore", over="ignore"):  # infinity and NaN are refused below
            parts.append(block.mean(axis=1, dtype=np.float32))
        decoded += len(block)
        limit.check(path, decoded / rate)
    if decoded == 0:
        raise AudioError(f"{path} holds no samples, only a header: export it again")
    # MP3 lengths can be estimates, so a little less is not damage.
    if promised < _UNKNOWN_LENGTH and decoded < promised - 0.1 * rate:
        raise AudioError(
            f"{path} is damaged: {decoded / rate:.1f} of {promised / rate:.1f} s can be decoded; "
            "copy or convert it again"
        )
    mono = np.concatenate(parts)
    if not np.isfinite(mono).all():
        raise AudioError(
            f"{path} holds samples that are not finite numbers (NaN or infinity); export it again"
        )
    return mono


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", str(error)).strip().rstrip(".")
    return next((plain for phrase, plain in _REASONS.items() if phrase in text), text)


def _duration(seconds: float) -> str:
    if seconds >= 120:
        return f"{seconds:,.0f} s ({seconds / 60:,.0f} minutes)"
    return f"{seconds:.3g} s" if seconds < 1 else f"{round(seconds, 2):g} s"
