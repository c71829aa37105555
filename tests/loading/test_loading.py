"""Find and load models: what is accepted, and one clear error for everything else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers.utils import is_torchvision_available

import models
from mata_audio import MATA, MataError, ModelLoadError, SettingsError, UnsupportedModelError
from mata_audio.doctor.small_models import small_model
from mata_audio.errors import MissingAdapterWarning
from mata_audio.families import locate
from mata_audio.models import sound_adapter
from mata_audio.models.finding import find_model, skeleton
from mata_audio.models.load_errors import reason
from mata_audio.models.loading import load, load_processor, load_weights


@pytest.fixture
def folder(qwen2_audio_folder: Path, tmp_path: Path) -> Path:
    """A copy of a good model folder, to be damaged."""
    return Path(shutil.copytree(qwen2_audio_folder, tmp_path / "model"))


def test_a_local_folder_loads_as_it_was_saved(qwen2_audio_folder: Path) -> None:
    loaded = load(qwen2_audio_folder, device="cpu")
    direct = type(loaded.model).from_pretrained(qwen2_audio_folder).state_dict()
    assert isinstance(loaded.model, transformers.Qwen2AudioForConditionalGeneration)
    assert not loaded.model.training
    weights = loaded.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in direct.items())
    assert loaded.processor.feature_extractor.sampling_rate == models.SAMPLING_RATE


def test_dtype_and_backend(qwen2_audio_folder: Path) -> None:
    loaded = load(qwen2_audio_folder, dtype="bfloat16", attn_implementation="eager")
    assert loaded.model.dtype == torch.bfloat16
    assert locate(loaded.model).attentions[0].config._attn_implementation == "eager"


def test_a_model_divided_over_all_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accelerate places it, and its steered answers stay the same. Here is one device only."""
    pytest.importorskip("accelerate")
    model_class = transformers.Qwen2AudioForConditionalGeneration
    asked: list[object] = []
    original = model_class.from_pretrained

    def noted(*args: object, **kwargs: object) -> object:
        asked.append(kwargs.get("device_map"))
        return original(*args, **kwargs)

    monkeypatch.setattr(model_class, "from_pretrained", noted)
    small = small_model("qwen2_audio")
    small.model.save_pretrained(tmp_path)
    inputs = small.inputs(small.questions[:1])
    found = []
    for device in ("spread", "cpu"):
        model = load_weights(find_model(tmp_path), device=device)
        with torch.no_grad(), MATA(alpha=2, layers="1-2")(model):
            found.append(model.cpu()(**inputs).logits)
    assert asked == ["auto", None]
    assert torch.equal(*found)


def test_of_an_omni_model_only_the_thinker_is_loaded(tmp_path: Path) -> None:
    whole = models.omni()
    whole.save_pretrained(tmp_path)
    (tmp_path / "spk_dict.pt").write_bytes(b"not to be unpickled")
    found = find_model(tmp_path)
    assert locate(skeleton(found)).depth == 4
    thinker = load_weights(found)
    assert isinstance(thinker, transformers.Qwen2_5OmniThinkerForConditionalGeneration)
    for name, value in whole.thinker.state_dict().items():
        assert torch.equal(thinker.state_dict()[name], value)


def test_the_skeleton_has_no_weights(qwen2_audio_folder: Path) -> None:
    model = skeleton(find_model(qwen2_audio_folder))
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


@pytest.mark.skipif(is_torchvision_available(), reason="torchvision is installed")
def test_an_omni_processor_without_torchvision_says_so(
    omni_thinker_folder: Path, tmp_path: Path
) -> None:
    omni_thinker_folder = Path(shutil.copytree(omni_thinker_folder, tmp_path / "model"))
    processor = models.omni_processor()
    processor.tokenizer.save_pretrained(omni_thinker_folder)
    processor.feature_extractor.save_pretrained(omni_thinker_folder)
    path = omni_thinker_folder / "preprocessor_config.json"
    as_on_the_hub = {
        "processor_class": "Qwen2_5OmniProcessor",
        "image_processor_type": "Qwen2VLImageProcessor",
    }
    path.write_text(json.dumps({**json.loads(path.read_text()), **as_on_the_hub}))
    with pytest.raises(ModelLoadError, match="pip install torchvision"):
        load_processor(find_model(omni_thinker_folder))


def spoil(folder: Path, how: str) -> None:
    weights = folder / "model.safetensors"
    if how == "no config":
        (folder / "config.json").unlink()
    elif how == "broken config":
        (folder / "config.json").write_text("{")
    elif how == "list config":
        (folder / "config.json").write_text("[]")
    elif how == "no feature extractor":
        (folder / "processor_config.json").unlink()
    elif how == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    elif how == "broken processor":
        (folder / "processor_config.json").write_text("{")
    elif how == "no weights":
        weights.unlink()
    elif how == "pickled weights":
        torch.save(load_file(weights), folder / "pytorch_model.bin")
        weights.unlink()
    elif how == "cut weights":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif how in ("missing tensor", "wrong shape"):
        tensors = load_file(weights)
        name = next(name for name in sorted(tensors) if "layers.1." in name)
        tensor = tensors.pop(name)
        if how == "wrong shape":
            tensors[name] = tensor[:-1].clone()
        save_file(tensors, weights, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("no config", "no config.json"),
        ("broken config", "is not JSON"),
        ("list config", "must hold a JSON object; got list"),
        ("no feature extractor", "feature extractor .*processor_config.json.* missing"),
        ("no tokenizer", "tokenizer .*tokenizer.json.* missing"),
        ("broken processor", "cannot load the processor"),
        ("no weights", "no safetensors"),
        ("pickled weights", "no safetensors weights; pickled ones"),
        ("cut weights", "safetensors file is damaged"),
        ("missing tensor", r"are incomplete: 1 tensors are missing, the first is .*layers\.1\."),
        ("wrong shape", "other shapes"),
    ],
)
def test_a_spoilt_folder_is_refused(folder: Path, how: str, words: str) -> None:
    spoil(folder, how)
    with pytest.raises(ModelLoadError, match=words) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "qwen2"}, "without audio"),
        ({"model_type": "llava"}, r'without audio.*has only image tokens.*MATA\(tokens="image"\)'),
        (
            {"model_type": "llava", "text_config": {"_name_or_path": "audio"}},
            r'llava model has only image tokens.*MATA\(tokens="image"\)',
        ),
        ({"model_type": "newcomer", "audio_config": {}}, "qwen2_audio, .*register_family"),
        ({"architectures": ["X"], "audio_token_id": 3}, "model_type None"),
    ],
)
def test_other_architectures_are_refused(tmp_path: Path, config: dict, words: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsupportedModelError, match=words):
        find_model(tmp_path)


@pytest.mark.parametrize(
    ("model_id", "words"),
    [
        ("", "no model was named"),
        ("./nowhere", "no such model folder"),
        ("/nowhere/at/all", "no such model folder"),
        ("not a hub id", "the name is not a hub id either"),
        ("somebody/model", "no such folder here.*HF_HUB_OFFLINE|cannot be reached"),
    ],
)
def test_models_that_do_not_exist(model_id: str, words: str) -> None:
    with pytest.raises(ModelLoadError, match=words) as caught:
        find_model(model_id)
    assert isinstance(caught.value, MataError)
    assert "\n" not in str(caught.value)


def test_a_file_is_not_a_model_folder(folder: Path) -> None:
    with pytest.raises(ModelLoadError, match="is a file"):
        find_model(folder / "config.json")


def test_code_of_the_repository_is_not_run_unless_asked_for(folder: Path) -> None:
    path = folder / "processor_config.json"
    config = {**json.loads(path.read_text()), "processor_class": "Own"}
    config["auto_map"] = {"AutoProcessor": "own.Own"}
    path.write_text(json.dumps(config))
    tokenizer = folder / "tokenizer_config.json"
    if tokenizer.exists():
        settings = json.loads(tokenizer.read_text())
        settings.pop("processor_class", None)
        tokenizer.write_text(json.dumps(settings))
    ran = folder / "ran"
    (folder / "own.py").write_text(
        f"open({str(ran)!r}, 'w').close()\nfrom transformers import Qwen2AudioProcessor as Own\n"
    )
    with pytest.raises(ModelLoadError, match="--trust-remote-code"):
        load_processor(find_model(folder))
    assert not ran.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "toaster"}, "device 'toaster'"),
        ({"dtype": "float3"}, "dtype must be one of"),
        ({"attn_implementation": "nonsense"}, "backend 'nonsense'"),
    ],
)
def test_wrong_options(qwen2_audio_folder: Path, options: dict, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load(qwen2_audio_folder, **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device(qwen2_audio_folder: Path) -> None:
    with pytest.raises(SettingsError, match="device 'cuda'"):
        load(qwen2_audio_folder, device="cuda")


def test_phi_is_loaded_with_its_adapter_for_sound(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    small = small_model("phi4_multimodal")
    inputs = small.inputs(small.questions)
    small.model.save_pretrained(tmp_path)
    with torch.no_grad():
        bare = small.model(**inputs).logits
    small.model.add_adapter(peft.LoraConfig(target_modules=["qkv_proj"]), "speech")
    torch.manual_seed(1)
    for name, weight in small.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    small.model.save_pretrained(tmp_path / "speech-lora")
    assert not (tmp_path / "speech-lora" / "model.safetensors").exists()  # only the adapter
    model = load_weights(find_model(tmp_path))
    with torch.no_grad():
        adapted = small.model.eval()(**inputs).logits
        assert torch.equal(model(**inputs).logits, adapted)
    assert (adapted - bare).abs().max() > 0.01

    (tmp_path / "speech-lora" / "adapter_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelLoadError, match="safetensors"):
        load_weights(find_model(tmp_path))
    shutil.rmtree(tmp_path / "speech-lora")
    with pytest.warns(MissingAdapterWarning, match="no speech-lora folder"):
        model = load_weights(find_model(tmp_path))
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits, bare)


def test_without_noise_a_clip_has_one_answer(tmp_path: Path) -> None:
    """VibeVoice adds noise to its audio features, as its config says."""
    small = small_model("vibevoice_asr")
    small.model.config.acoustic_tokenizer_encoder_config.vae_std = 0.6
    inputs = small.inputs(small.questions[:1])
    with torch.no_grad():
        noisy = small.model(**inputs).logits
        assert not torch.allclose(small.model(**inputs).logits, noisy)
        small.model.save_pretrained(tmp_path)
        model = load_weights(find_model(tmp_path))
        assert torch.equal(model(**inputs).logits, model(**inputs).logits)


def test_granite_is_not_loaded_without_its_adapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transformers would only log a warning and answer without it."""
    model = small_model("granite_speech").model
    model.config.has_lora_adapter = True
    model.save_pretrained(tmp_path)
    monkeypatch.setattr(sound_adapter, "is_peft_available", lambda: False)
    with pytest.raises(ModelLoadError, match="leaves out without PEFT: pip install peft"):
        load_weights(find_model(tmp_path))


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("X requires the Torchvision library but", "it needs torchvision: pip install torchvision"),
        (
            "X requires the torchaudio library but",
            "it needs torchaudio: pip install torchaudio, of the version for your PyTorch's CUDA, "
            "or nothing loads (docs/install.md)",
        ),
        (
            "X requires the PIL library but it\nX requires the Torchvision library, but",
            "it needs pillow and torchvision: pip install pillow torchvision",
        ),
    ],
)
def test_a_missing_library_is_named(said: str, advice: str) -> None:
    assert reason(ImportError(f"\n{said} was not found in your environment.")) == advice
