"""``MATA``: a setting of the intervention, and how to apply it to a model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mata_audio.errors import SettingsError, SettingsTypeError
from mata_audio.notation.gains import GainTable, read_gains
from mata_audio.notation.layers import parse_indices
from mata_audio.notation.rows import read_rows
from mata_audio.notation.tokens import read_tokens
from mata_audio.settings.block import SteeredBlock
from mata_audio.steering.formulas import FORMULAS
from mata_audio.storage.atomic_file import write_atomically

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mata_audio.steering.attachment import Attachment

PAPER_ALPHA = 0.1

MAX_ALPHA = 1000
"""Above this, all other tokens vanish in half precision: a typo, not a setting."""

_CHOICES = {"formula": tuple(FORMULAS), "on_no_audio": ("raise", "ignore")}


@dataclass(frozen=True)
class MATA:
    """More Attention To Audio (arXiv 2509.18816): scale the last token's attention scores on audio.

    For every query row from the last prompt token on, in the chosen layers and heads, the raw score
    A of each audio key becomes A' = (1 + alpha) A before the softmax (section 2 of the paper).

    Args:
        alpha: strength; 0 changes nothing. None is the paper's best, 0.1, or 1 with ``gains``.
        layers: decoder layers, counted from 0: a range, an iterable of ints, a string such as
            ``"10-20"`` (inclusive) or ``"10,12,15-17"``, or None for the published 10-20 of 28,
            scaled to the model's depth.
        heads: query heads in those layers, written the same way; None for all.
        formula: ``"multiply"`` (the paper: A + alpha A), ``"absolute"`` (A + alpha |A|), ``"add"``
            (A + alpha); or, not of the scores but of the attention after the softmax, ``"mass"``
            (the share that goes to audio, times 1 + alpha), ``"clipped_mass"`` (the same, up to 1)
            or ``"value"`` (the audio keys' values, times 1 + alpha).
        gains: a strength for each layer and head of one model, shape ``(layers, heads)``, instead
            of ``layers`` and ``heads``; all are multiplied by alpha.
        rows: which query rows of the prompt are changed, in addition to all later rows: ``"last"``
            (the paper), ``"all"``, ``"after-audio"``, or any number as in ``"last-8"`` and
            ``"random-8"``.
        seed: seed for the random rows.
        tokens: which keys are changed: ``"audio"`` (the paper), ``"image"``, ``"video"``, or
            several with commas, such as ``"audio,image"``. ``rows="after-audio"`` means after
            these.
        on_no_audio: ``"raise"`` or ``"ignore"``, if the model ran and saw none of ``tokens``.

    Raises:
        SettingsError: a value that is not allowed (also a ``ValueError``).
        SettingsTypeError: a type that is not allowed (also a ``TypeError``).

    Example:
        >>> mata = MATA(alpha=0.1, layers="10-20")
        >>> with mata(model) as applied:  # doctest: +SKIP
        ...     output = model.generate(**inputs, do_sample=False)
        >>> print(applied.receipt)  # doctest: +SKIP
    """

    alpha: float = None  # type: ignore[assignment]  # __post_init__ makes it a float
    layers: Iterable[int] | str | None = None
    heads: Iterable[int] | str | None = None
    formula: str = "multiply"
    gains: GainTable | None = None
    rows: str = "last"
    seed: int = 0
    tokens: str = "audio"
    on_no_audio: str = "raise"

    def __post_init__(self) -> None:
        if self.gains is not None:
            if self.layers is not None or self.heads is not None:
                raise SettingsError(
                    "gains cover all layers and heads: give either gains, or layers and heads"
                )
            object.__setattr__(self, "gains", read_gains(self.gains, MAX_ALPHA))
        if self.alpha is None:
            object.__setattr__(self, "alpha", PAPER_ALPHA if self.gains is None else 1.0)
        if isinstance(self.alpha, bool) or not isinstance(self.alpha, Real):
            raise SettingsTypeError(f"alpha must be a number; got {self.alpha!r}")
        if not abs(self.alpha) <= MAX_ALPHA:
            raise SettingsError(
                f"alpha must be a finite number between -{MAX_ALPHA} and {MAX_ALPHA}; "
                f"got {self.alpha!r}"
            )
        for field, allowed in _CHOICES.items():
            value = getattr(self, field)
            if not isinstance(value, str):
                raise SettingsTypeError(f"{field} must be one of {_listed(allowed)}; got {value!r}")
            if value not in allowed:
                raise SettingsError(f"{field} must be one of {_listed(allowed)}; got {value!r}")
        object.__setattr__(self, "alpha", float(self.alpha))
        object.__setattr__(self, "layers", parse_indices("layers", self.layers))
        object.__setattr__(self, "heads", parse_indices("heads", self.heads))
        object.__setattr__(self, "tokens", read_tokens(self.tokens))
        read_rows(self.rows, self.seed)

    def __call__(
        self,
        model: nn.Module,
        prompt_length: int | Sequence[int] | None = None,
        audio_mask: Tensor | None = None,
    ) -> SteeredBlock:
        """Steer ``model`` inside a ``with`` block and leave it exactly as it was.

        Args:
            model: a supported audio or vision language model; it is not copied.
            prompt_length: number of prompt tokens, padding not counted (an int, or one for each
                sample), if the prompt does not end with what ``generate`` or the first forward pass
                is given: for teacher-forced scoring, or a prompt fed in pieces. None if it does.
            audio_mask: where the audio is, if ``input_ids`` cannot tell (a prompt given as
                ``inputs_embeds``): bool, shape ``(batch, tokens)``, for the one batch of prompts
                that the block reads. None: wherever the ids of ``tokens`` are.

        Returns:
            A context manager, which gives the attachment, whose ``receipt`` counts what really
            happened. At its end, calls of the model in other threads are waited for.

        Raises, on entering or leaving the block:
            SettingsError: the model lacks a layer, head or kind of token, or ``audio_mask`` does
                not fit its prompts.
            UnsupportedModelError: the architecture is not known.
            AlreadyAttachedError: the model is steered already.
            NoAudioError: the model ran and saw none of ``tokens``.
            PromptLengthError: ``prompt_length`` is impossible.
            SettingsTypeError: ``audio_mask`` is not a mask.
        """
        attach = partial(self.attach, model, prompt_length, audio_mask)
        return SteeredBlock(attach, self.on_no_audio)

    def attach(
        self,
        model: nn.Module,
        prompt_length: int | Sequence[int] | None = None,
        audio_mask: Tensor | None = None,
    ) -> Attachment:
        """Steer ``model`` until ``.detach()`` of the result; arguments as in ``mata(model)``.

        Unlike the end of a ``with`` block, ``detach`` does not raise if no audio was seen: a server
        may have answered only text requests. The result's ``receipt`` counts the audio tokens.
        """
        from mata_audio.families import locate
        from mata_audio.steering.attachment import Attachment
        from mata_audio.steering.gain_tensor import KeyGains, gains_on

        located = locate(model)
        return Attachment(
            located,
            [KeyGains(gains_on(self, located), self.formula, self.tokens)],
            prompt_length,
            prompt_rows=read_rows(self.rows, self.seed),
            audio_mask=audio_mask,
            tokens=self.tokens,
        )

    @staticmethod
    def for_model(model: str) -> Preset:
        """Return the published setting for a model, with its source and evidence.

        If nothing is published: the default, scaled to the model's depth and marked as untested.

        Args:
            model: hub id, such as ``"Qwen/Qwen2.5-Omni-7B"``.
        """
        from mata_audio.settings.presets import UNPUBLISHED, published

        found = published(model)
        row = found or UNPUBLISHED
        return Preset(
            model=row.model or model,
            mata=MATA(alpha=row.alpha, layers=row.layers),
            source=row.source,
            evidence=row.evidence,
            tested=found is not None,
        )

    def save(self, path: str | Path) -> None:
        """Write the setting to ``path`` as JSON; the file is replaced whole or not at all."""
        write_atomically(Path(path), settings_json(asdict(self)))

    @classmethod
    def load(cls, path: str | Path) -> MATA:
        """Read a setting that :meth:`save` wrote.

        The file may also hold, under ``tuned_on``, on which data and how the setting was chosen;
        :func:`mata_audio.evaluation.load_setting` reads that too.

        Raises:
            FileNotFoundError: there is no such file.
            SettingsError: the file is not a JSON object, or has an unknown field or a value that is
                not allowed.
            SettingsTypeError: a field has the wrong type.
        """
        try:
            data: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise SettingsError(f"{path} is not a JSON settings file: {error}") from error
        if not isinstance(data, dict):
            raise SettingsError(f"{path} must hold a JSON object; got {type(data).__name__}")
        data.pop("tuned_on", None)
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(data) - set(known))
        if unknown:
            raise SettingsError(
                f"{path} has the unknown field {unknown[0]!r}; allowed: {_listed(known)}"
            )
        return cls(**data)


@dataclass(frozen=True)
class Preset:
    """A setting for one model.

    Args:
        model: hub id, or the name that was given.
        mata: the setting.
        source: where it comes from.
        evidence: what is known of its effect, and who measured it.
        tested: whether anyone published a figure for this model with it.
    """

    model: str
    mata: MATA
    source: str
    evidence: str
    tested: bool


def settings_json(data: dict[str, Any]) -> str:
    """Return the fields of a setting as readable JSON: each layer's gains on one line."""
    gains = data.get("gains")
    text = json.dumps({**data, "gains": None}, indent=2) if gains else json.dumps(data, indent=2)
    if gains:
        rows = ",\n".join(f"    {json.dumps(row)}" for row in gains)
        text = text.replace('"gains": null', f'"gains": [\n{rows}\n  ]', 1)
    return text + "\n"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(repr(value) for value in values)
