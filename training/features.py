"""Log-mel features of many clips at once, equal to ``WhisperFeatureExtractor``'s."""

from collections.abc import Sequence
from multiprocessing import get_context

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm
from transformers import WhisperFeatureExtractor

from mata_audio.tiny.benchmark import SynthClip


def log_mel(waveforms: Tensor, extractor: WhisperFeatureExtractor) -> Tensor:
    """(clips, samples) padded with zeros to the extractor's chunk -> (clips, mels, frames)."""
    window = torch.hann_window(extractor.n_fft)
    spectrum = torch.stft(
        waveforms, extractor.n_fft, extractor.hop_length, window=window, return_complex=True
    )
    power = spectrum[..., :-1].abs().square().contiguous()
    filters = torch.from_numpy(extractor.mel_filters).float()
    log_power = (filters.T @ power).clamp(min=1e-10).log10()
    loudest = log_power.amax(dim=(1, 2), keepdim=True)
    return (torch.maximum(log_power, loudest - 8.0) + 4.0) / 4.0


def pad(waveforms: Sequence[NDArray[np.float32]], length: int) -> Tensor:
    """Stack waveforms, cut or padded with zeros to ``length`` samples."""
    padded = np.zeros((len(waveforms), length), dtype=np.float32)
    for row, waveform in zip(padded, waveforms, strict=True):
        row[: min(length, len(waveform))] = waveform[:length]
    return torch.from_numpy(padded)


def frame_counts(waveforms: Sequence[NDArray[np.float32]], hop: int, limit: int) -> Tensor:
    """Valid feature frames of each clip, as the extractor's attention mask counts them."""
    return torch.tensor([min(limit, -(-len(waveform) // hop)) for waveform in waveforms])


def audio_token_counts(frames: Tensor) -> Tensor:
    """Audio tokens for a number of valid frames (a strided convolution, then pooling by two)."""
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


def synthesise(clip: SynthClip) -> NDArray[np.float32]:
    """``clip.waveform()`` as a plain function, for worker processes."""
    return clip.waveform()


def clip_features(
    clips: Sequence[SynthClip], extractor: WhisperFeatureExtractor, workers: int = 2
) -> tuple[Tensor, Tensor]:
    """Synthesise clips: features (clips, mels, frames) in half precision, valid frames (clips,)."""
    features, counts = [], []
    with get_context("fork").Pool(workers) as pool:
        waveforms = pool.imap(synthesise, clips, chunksize=64)
        batch: list[NDArray[np.float32]] = []
        for index, waveform in enumerate(tqdm(waveforms, total=len(clips), desc="clips"), start=1):
            batch.append(waveform)
            if len(batch) == 256 or index == len(clips):
                features.append(log_mel(pad(batch, extractor.n_samples), extractor).half())
                limit = extractor.nb_max_frames
                counts.append(frame_counts(batch, extractor.hop_length, limit))
                batch = []
    return torch.cat(features), torch.cat(counts)
