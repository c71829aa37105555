"""Our benchmarks as a task of inspect_ai: the prompts and the scores of ``mata eval``."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import anyio.to_thread
import soundfile
from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageSystem,
    ChatMessageUser,
    Content,
    ContentAudio,
    ContentText,
    GenerateConfig,
    Model,
    get_model,
)
from inspect_ai.solver import Generate, Solver, TaskState, solver

from mata_audio.errors import AudioError, DataError, SettingsError
from mata_audio.evaluation.item import AudioSource, Item
from mata_audio.evaluation.running.prepare import styled
from mata_audio.evaluation.scoring.readers import check_reader
from mata_audio.evaluation.task import Task as Benchmark
from mata_audio.evaluation.tasks import task_named
from mata_audio.evaluation.templates.template import Template, default_template, load_template
from mata_audio.families import PromptStyle
from mata_audio.harnesses.inspect_ai.provider import MataAPI
from mata_audio.harnesses.inspect_ai.scorer import official
from mata_audio.models.chat_template import Turn, turns


def make_task(
    name: str,
    data: str | Path | None,
    split: str | None,
    template: str | Path | None,
    reader: str | None,
    max_tokens: int | None,
) -> Task:
    """Return a benchmark as a task; arguments as for ``benchmark``.

    Raises:
        SettingsError: no such benchmark or split.
        DataError: its data is missing or damaged.
        TemplateError: no such template or reader.
    """
    benchmark = task_named(name)
    if benchmark.needs_data and data is None:
        raise DataError(f"{name} needs its data: -T data=FOLDER, a question file or a hub id")
    split = split or benchmark.splits[0]
    if split not in benchmark.splits:
        raise SettingsError(
            f"{name} has no split {split!r}; allowed: {', '.join(benchmark.splits)}"
        )
    reader = reader or benchmark.reader
    check_reader(reader)
    chosen = None if template is None else load_template(template)
    dataset = benchmark.load(data, split)
    samples = [
        Sample(
            id=item.id,
            input=item.question,
            target=item.answer or "",
            metadata={
                "task": name,
                "split": split,
                "reader": reader,
                "choices": list(item.choices),
                "answer": item.answer,
                "groups": dict(item.groups),
                "record": dict(item.record),
            },
        )
        for item in dataset.items
    ]
    return Task(
        dataset=MemoryDataset(samples, name=f"{name}-{split}"),
        solver=_ask({item.id: item for item in dataset.items}, benchmark, chosen),
        scorer=official(),
        config=GenerateConfig(max_tokens=max_tokens or benchmark.max_new_tokens, temperature=0),
        metadata={"data": dict(dataset.files), "version": dataset.version},
    )


@solver
def _ask(items: dict[str, Item], benchmark: Benchmark, template: Template | None) -> Solver:
    """Put each item's question and clips to the model."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        asked = items[str(state.sample_id)], benchmark, template, get_model()
        state.messages = await anyio.to_thread.run_sync(messages_of, *asked)
        return await generate(state)

    return solve


def messages_of(
    item: Item, benchmark: Benchmark, template: Template | None, model: Model
) -> list[ChatMessage]:
    """Return the messages of one item, as ``mata eval`` words them for the model.

    Args:
        item: its clips are read here.
        benchmark: decides, with the model, on a template if none is given.
        template: the wording; None for the default.
        model: of inspect_ai; other providers' are asked in the way of models without a family.

    Raises:
        AudioError: a clip is missing or cannot be read.
    """
    api = model.api
    family = api.loaded.family.model_type if isinstance(api, MataAPI) else ""
    wording = template or default_template(family, model.name, benchmark)
    own = api.prompter.style if isinstance(api, MataAPI) else PromptStyle()
    asked = turns(
        styled(own, wording), wording.render(item.question, item.choices), len(item.audio)
    )
    clips = iter(item.audio)
    return [_message(turn, [_content(part, clips) for part in turn.parts]) for turn in asked]


def _message(turn: Turn, content: Sequence[Content]) -> ChatMessage:
    if turn.role == "system":
        return ChatMessageSystem(content=list(content))
    return ChatMessageUser(content=list(content))


def _content(part: str | None, clips: Any) -> Content:
    return _audio(next(clips)) if part is None else ContentText(text=part)


def _audio(source: AudioSource) -> ContentAudio:
    """Return a clip as a data URI: WAV and MP3 as they are, other formats as WAV."""
    content = source.read()
    kind: Literal["wav", "mp3"] = "wav"
    if content[:3] == b"ID3" or content[:1] == b"\xff":
        kind = "mp3"
    elif content[:4] != b"RIFF":
        content = _as_wav(content, source.name)
    data = base64.b64encode(content).decode()
    return ContentAudio(audio=f"data:audio/{kind};base64,{data}", format=kind)


def _as_wav(content: bytes, name: str) -> bytes:
    """Return the same samples as a WAV file of float32."""
    file = io.BytesIO()
    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise AudioError(f"{name} cannot be decoded as audio: {error}") from error
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()
