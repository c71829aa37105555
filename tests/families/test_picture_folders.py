"""The doctor on models with vision but no audio, from folders with their real processors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers

import models
from families.folders import PARTS
from families.processing import tokenizer
from families.subjects import subject_of
from mata_audio import ModelLoadError, UnsupportedModelError
from mata_audio.doctor.examine import examine
from mata_audio.doctor.patient import loaded_patient
from mata_audio.doctor.small_models import VISION_MODEL_TYPES
from mata_audio.doctor.small_models.pixels import FRAMES, MERGED, PATCH
from mata_audio.models.finding import find_model
from mata_audio.models.loading import load

SIDE = 16
SQUARE = {"height": SIDE, "width": SIDE}


def words() -> Any:
    return tokenizer("<|audio|>")


def llava() -> Any:
    return transformers.LlavaProcessor(
        transformers.CLIPImageProcessor(size={"shortest_edge": 12}, crop_size=12),
        words(),
        patch_size=4,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


def llava_onevision() -> Any:
    side = {"height": 12, "width": 12}
    return transformers.LlavaOnevisionProcessor(
        transformers.LlavaOnevisionImageProcessor(size=side, image_grid_pinpoints=[[12, 12]]),
        words(),
        transformers.LlavaOnevisionVideoProcessor(),
        num_image_tokens=9,
        vision_feature_select_strategy="full",
    )


def internvl() -> Any:
    return transformers.InternVLProcessor(
        transformers.GotOcr2ImageProcessor(size=SQUARE),
        words(),
        transformers.InternVLVideoProcessor(),
        image_seq_length=4,
    )


def gemma3() -> Any:
    image_processor = transformers.Gemma3ImageProcessor(size=SQUARE)
    return transformers.Gemma3Processor(image_processor, words(), image_seq_length=4)


def _patches() -> Any:
    pixels = (PATCH * MERGED) ** 2
    return transformers.Qwen2VLImageProcessor(
        patch_size=PATCH,
        merge_size=MERGED,
        temporal_patch_size=FRAMES,
        min_pixels=pixels,
        max_pixels=8 * pixels,
    )


def qwen2_5_vl() -> Any:
    video_processor = transformers.Qwen2VLVideoProcessor()
    return transformers.Qwen2_5_VLProcessor(_patches(), words(), video_processor)


def qwen3_vl() -> Any:
    video_processor = transformers.Qwen3VLVideoProcessor()
    return transformers.Qwen3VLProcessor(_patches(), words(), video_processor)


BUILDERS = (llava, llava_onevision, internvl, gemma3, qwen2_5_vl, qwen3_vl)
PROCESSORS: dict[str, Callable[[], Any]] = {build.__name__: build for build in BUILDERS}


def save(model_type: str, folder: Path) -> Path:
    if model_type not in ("llava", "gemma3"):
        pytest.importorskip("torchvision", reason="needs torchvision, for its video part")
    processor = PROCESSORS[model_type]()
    shown = processor.image_token
    if model_type.startswith("qwen"):  # these count pictures by the tokens around them
        shown = f"<vision>{shown}</vision>"
    processor.chat_template = PARTS.replace("audio", "image").replace("CLIP", shown)
    return models.save(subject_of(model_type).small.model, processor, folder)


def test_every_vision_only_family_has_a_processor() -> None:
    assert set(PROCESSORS) == set(VISION_MODEL_TYPES)


@pytest.mark.parametrize("model_type", PROCESSORS)
def test_the_doctor_shows_it_pictures(model_type: str, tmp_path: Path) -> None:
    folder = save(model_type, tmp_path)
    patient = loaded_patient(load(folder, seeing=True, device="cpu"))
    assert (patient.tokens, patient.clips) == ("image", (1, 2, 0))
    report = examine(patient)
    assert report.failures == []
    assert report.worst is not None
    assert report.worst < 1e-5
    with pytest.raises(UnsupportedModelError, match='steered with MATA\\(tokens="image"\\)'):
        find_model(folder)  # as a question about clips would


def test_an_image_processor_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save("llava", tmp_path)
    monkeypatch.setattr("transformers.AutoProcessor.from_pretrained", lambda *_, **__: words())
    with pytest.raises(ModelLoadError, match="but a processor for image and text is needed"):
        load(folder, seeing=True)


def test_pictures_are_seen(tmp_path: Path) -> None:
    """The doctor's pictures are not of one colour, and all differ."""
    patient = loaded_patient(load(save("llava", tmp_path), seeing=True, device="cpu"))
    pixels = patient.batch("left")["pixel_values"]
    assert pixels.shape[0] == 3
    assert float(pixels.std()) > 0.1
    assert not pixels[1].allclose(pixels[2])
