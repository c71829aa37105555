"""The model ``mata``: every family that we load, put and answered as ``mata eval`` does."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from tqdm import tqdm

from mata_audio.errors import AudioError, RunError, SettingsError
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.ahead import ahead
from mata_audio.evaluation.running.batch_limit import Batching, BatchLimit
from mata_audio.evaluation.running.grouping import batches_of
from mata_audio.evaluation.running.plan import check_second_prompts
from mata_audio.evaluation.running.prepare import FailedItem, Prepared, Preparer
from mata_audio.evaluation.running.stacking import stacked, stacked_others
from mata_audio.evaluation.templates.template import TEMPLATES
from mata_audio.harnesses.lmms_eval.model_args import batch_size_from, read_model_args
from mata_audio.harnesses.lmms_eval.steered import place, tell
from mata_audio.harnesses.loading import load_checked
from mata_audio.models.one_prefill import generate_all, greedy
from mata_audio.models.prompter import Prompter
from mata_audio.serving.checking import check_changes
from mata_audio.settings.named import NamedSetting
from mata_audio.steering.receipt import Receipt

MAX_NEW_TOKENS = 256
_SETTING = "mata"
_WORKERS = 4

_GREEDY = {
    "temperature": (0, None),
    "do_sample": (False, None),
    "num_beams": (1, None),
    "num_return_sequences": (1, None),
}
"""Options of a task, and the values under which an answer is greedy."""
_ONLY_SAMPLING = ("top_p", "top_k")
_HEEDED = ("max_new_tokens", "max_gen_toks", "until")


@dataclass(frozen=True)
class ArrayAudio:
    """A clip as lmms-eval's tasks have it, read as the bytes of a WAV file.

    Args:
        name: for messages.
        clip: ``array``, samples of one channel, and ``sampling_rate``.
    """

    name: str
    clip: Any
    place: str = ""

    def read(self) -> bytes:
        """Return the same samples as a WAV file of float32.

        Raises:
            AudioError: it is no clip.
        """
        try:
            samples = np.asarray(self.clip["array"], np.float32)
            rate = int(self.clip["sampling_rate"])
        except (TypeError, KeyError, IndexError, ValueError) as error:
            raise AudioError(
                f"{self.name} is no audio: the model mata takes clips with array and sampling_rate"
            ) from error
        if samples.ndim != 1:
            raise AudioError(f"{self.name} has samples of shape {samples.shape}: give one channel")
        file = io.BytesIO()
        soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
        return file.getvalue()


class Mata(lmms):
    """Answers greedily, in batches that change no answer.

    Args:
        pretrained: "tiny", a hub id or a local folder.
        batch_size: prompts in one batch.
        given: how to load, and the setting; see
            :func:`mata_audio.harnesses.lmms_eval.model_args.read_model_args`.

    Raises:
        MataError: an argument, the setting or the model is wrong; its class says which.
    """

    def __init__(self, pretrained: str, batch_size: int | str = 1, **given: Any) -> None:
        arguments = read_model_args(given)
        self.batch_size = batch_size_from(batch_size)
        super().__init__()
        self._setting = NamedSetting(_SETTING, arguments.method)
        check_second_prompts([self._setting])
        device = place(self, arguments)
        self._loaded = load_checked(pretrained, arguments.on(device), check_changes)
        others = () if arguments.method is None else tuple(arguments.method.rule().others)
        self._prepare = Preparer(
            Prompter.of(self._loaded), TEMPLATES["question"], arguments.cut_long_audio, others
        )

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Answer requests.

        Raises:
            SettingsError: a task asks for sampling or beams.
            RunError: a clip cannot be used.
        """
        receipts: dict[str, Receipt] = {}
        items = [self._item(request) for request in requests]
        answers: dict[int, str] = {}
        by_options: dict[str, list[int]] = {}
        for number, request in enumerate(requests):
            by_options.setdefault(repr(request.args[1]), []).append(number)
        with tqdm(total=len(requests), disable=self.rank != 0, desc="Model Responding") as bar:
            for numbers in by_options.values():
                longest, until = _options(requests[numbers[0]].args[1])
                config = greedy(self._loaded.model, self._tokenizer, longest)
                for batch in self._batches([items[number] for number in numbers]):
                    found = generate_all(
                        self._loaded.model,
                        stacked(batch, self._loaded),
                        [self._setting],
                        config,
                        receipts,
                        self._tokenizer,
                        stacked_others(batch, self._loaded),
                    )
                    for own, made in zip(batch, found, strict=True):
                        tokens = made[_SETTING].tokens
                        text = self._tokenizer.decode(tokens, skip_special_tokens=True)
                        answers[id(own.item)] = _before(text, until)
                    bar.update(len(batch))
        tell(self._setting.method, receipts.get(_SETTING))
        return [answers[id(item)] for item in items]

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Not supported."""
        raise NotImplementedError("the model mata answers single questions only")

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Not supported."""
        raise NotImplementedError("the model mata generates answers; it rates none")

    @property
    def _tokenizer(self) -> Any:
        return self._loaded.processor.tokenizer

    def _item(self, request: Instance) -> Item:
        """Return a request as an item; its id, which seeds second prompts, is the document's."""
        context, _, doc_to_visual, doc_id, task, split = request.args
        clips = doc_to_visual(self.task_dict[task][split][doc_id]) or []
        id = f"{task} {split} {doc_id}"
        return Item(id, tuple(ArrayAudio(f"clip of {id}", own) for own in clips), context, (), None)

    def _batches(self, items: Sequence[Item]) -> Iterator[list[Prepared]]:
        window = 2 * self.batch_size + _WORKERS
        made = _all_good(ahead(self._prepare, items, _WORKERS, window))
        on_cpu = next(self._loaded.model.parameters()).device.type == "cpu"
        pads = self._loaded.family.hearing.ignores_padding and not on_cpu
        batching: Batching = "padded" if pads else "exact"
        return batches_of(made, batching, lambda: BatchLimit(prompts=self.batch_size))


def _all_good(made: Iterable[Prepared | FailedItem]) -> Iterator[Prepared]:
    for own in made:
        if isinstance(own, FailedItem):
            raise RunError(f"a request cannot be answered: {own.error}")
        yield own


def _options(given: dict[str, Any]) -> tuple[int, tuple[str, ...]]:
    """Return the longest answer and the texts that end one.

    Raises:
        SettingsError: an option that would be ignored.
    """
    for name, value in given.items():
        if name in (*_HEEDED, *_ONLY_SAMPLING) or value in _GREEDY.get(name, ()):
            continue
        raise SettingsError(
            f"the model mata answers greedily, and does not support {name}={value!r}: leave it out "
            f"of the task's generation_kwargs. It heeds {', '.join(_HEEDED)}"
        )
    until = given.get("until") or ()
    longest = given.get("max_new_tokens", given.get("max_gen_toks", MAX_NEW_TOKENS))
    return int(longest), (until,) if isinstance(until, str) else tuple(until)


def _before(text: str, until: Sequence[str]) -> str:
    """Return what comes before the texts that end an answer, as lmms-eval's own models cut it."""
    for end in until:
        text = text.split(end)[0] if end else text
    return text
