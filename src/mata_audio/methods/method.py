"""What all methods have in common: they are applied with ``with``, and saved as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, asdict, dataclass, field, fields
from functools import partial
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from mata_audio.errors import MissingFileError, SettingsError, SettingsTypeError
from mata_audio.methods.block import SteeredBlock
from mata_audio.notation.did_you_mean import did_you_mean
from mata_audio.notation.gains import describe_gains
from mata_audio.notation.layers import format_indices, format_layers
from mata_audio.shown.in_html import InHtml
from mata_audio.shown.one_line import OneLine, told
from mata_audio.steering.rule import Rule
from mata_audio.storage.atomic_file import write_atomically

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mata_audio.steering.attachment import Attachment

MAX_ALPHA = 1000
"""Above this, all other tokens vanish in half precision: a typo, not a setting."""

_NO_AUDIO = ("raise", "ignore")

_GIVE = "give the JSON file that a method's save, mata sweep or mata choose wrote"

METHODS: dict[str, type[Method]] = {}
"""Every method, by the name that it has on the command line and in files."""


@dataclass(frozen=True)
class Method(OneLine, InHtml):
    """A way to make a model listen more. A subclass says what it does in :meth:`rule`.

    Args:
        on_no_audio: ``"raise"`` or ``"ignore"``, if the model ran and saw no audio.
    """

    name: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    """What it does, in half a sentence."""
    source: ClassVar[str] = ""
    """Where its formula and its default values come from."""

    on_no_audio: str = field(default="raise", kw_only=True)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.name:
            METHODS[cls.name] = cls

    def __post_init__(self) -> None:
        one_of("on_no_audio", self.on_no_audio, _NO_AUDIO)

    def _told(self, name: str, value: Any) -> str:
        """Return a value so that the line can be pasted; only a table of gains is described."""
        if name == "gains":
            return f"<{describe_gains(value)}>"
        if name == "layers":
            return repr(format_layers(value))
        if name == "heads":
            return repr(format_indices(value))
        return repr(value) if isinstance(value, float) else told(value)

    @property
    def title(self) -> str:
        """Its name in tables: that of its class."""
        return type(self).__name__

    def rule(self) -> Rule:
        """Return what the method does."""
        raise NotImplementedError

    def __call__(
        self,
        model: nn.Module,
        prompt_length: int | Sequence[int] | None = None,
        audio_mask: Tensor | None = None,
        tokenizer: Any = None,
        spans: Mapping[str, Tensor] | None = None,
        others: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> SteeredBlock:
        """Steer ``model`` inside a ``with`` block and leave it exactly as it was.

        Args:
            model: a supported audio or vision language model; it is not copied.
            prompt_length: number of prompt tokens, padding not counted (an int, or one for each
                sample), if the prompt does not end with what ``generate`` or the first forward pass
                is given: for teacher-forced scoring, or a prompt fed in pieces. None if it does.
            audio_mask: where the audio is, if ``input_ids`` cannot tell (a prompt given as
                ``inputs_embeds``): bool, shape ``(batch, tokens)``, for the one batch of prompts
                that the block reads. None: wherever the ids of the method's tokens are.
            tokenizer: the processor's, for methods that change text or special tokens.
            spans: marked tokens by name, such as ``caption``, for methods that change them: bool,
                shape ``(batch, tokens)``, for the one batch of prompts that the block reads.
            others: inputs of second prompts by name, such as ``silence``, for methods that compare
                with them: made as those of the prompts themselves, with a row for each.

        Returns:
            A context manager, which gives the attachment, whose ``receipt`` counts what really
            happened. At its end, calls of the model in other threads are waited for.

        Raises, on entering or leaving the block:
            SettingsError: the model lacks a layer, head or kind of token, or a mask does not fit
                its prompts.
            UnsupportedModelError: the architecture is not known.
            AlreadyAttachedError: the model is steered already.
            NoAudioError: the model ran and saw none of the method's tokens.
            PromptLengthError: ``prompt_length`` is impossible.
            SettingsTypeError: ``audio_mask`` is not a mask.
        """
        attach = partial(self.attach, model, prompt_length, audio_mask, tokenizer, spans, others)
        return SteeredBlock(attach, self.on_no_audio)

    def attach(
        self,
        model: nn.Module,
        prompt_length: int | Sequence[int] | None = None,
        audio_mask: Tensor | None = None,
        tokenizer: Any = None,
        spans: Mapping[str, Tensor] | None = None,
        others: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Attachment:
        """Steer ``model`` until ``.detach()`` of the result; arguments as in ``method(model)``.

        Unlike the end of a ``with`` block, ``detach`` does not raise if no audio was seen: a server
        may have answered only text requests. The result's ``receipt`` counts the audio tokens.
        """
        from mata_audio.families import locate
        from mata_audio.steering.by_rule import attachment_by_rule
        from mata_audio.steering.other_prompt import OtherPrompt

        return attachment_by_rule(
            locate(model),
            [self.rule()],
            prompt_length=prompt_length,
            audio_mask=audio_mask,
            tokenizer=tokenizer,
            spans=spans,
            others={name: OtherPrompt(inputs) for name, inputs in (others or {}).items()},
        )

    def as_data(self) -> dict[str, Any]:
        """Return the method and its settings as JSON data."""
        values = {own.name: getattr(self, own.name) for own in ordered_fields(type(self))}
        data: dict[str, Any] = json.loads(
            json.dumps({"method": self.name, **values}, default=asdict)
        )
        return data

    def save(self, path: str | Path) -> None:
        """Write the setting to ``path`` as JSON; the file is replaced whole or not at all."""
        write_atomically(Path(path), settings_json(self.as_data()))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a setting that :meth:`save` wrote; ``Method.load`` reads that of any method.

        The file may also hold, under ``tuned_on``, on which data and how the setting was chosen;
        :func:`mata_audio.evaluation.load_setting` reads that too.

        Raises:
            FileNotFoundError: there is no such file.
            SettingsError: the file cannot be read, is not a JSON object, is for another method, or
                has an unknown field or a value that is not allowed.
            SettingsTypeError: a field has the wrong type.
        """
        try:
            data: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise MissingFileError(f"no such settings file: {path}: {_GIVE}") from None
        except OSError as error:
            why = error.strerror or error
            raise SettingsError(f"settings file {path} cannot be read ({why}): {_GIVE}") from error
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise SettingsError(f"{path} is not a JSON settings file ({error}): {_GIVE}") from error
        if not isinstance(data, dict):
            raise SettingsError(f"{path} must hold a JSON object; got {type(data).__name__}")
        data.pop("tuned_on", None)
        found = method_from(data, str(path))
        if not isinstance(found, cls):
            raise SettingsError(
                f"{path} holds a setting of {found.name}, not of {cls.name}: read it with "
                f"{type(found).__name__}.load or Method.load"
            )
        return found


def method_from(data: Mapping[str, Any], origin: str) -> Method:
    """Return the method that JSON data describes; files without ``method`` are of MATA.

    Args:
        data: from :meth:`Method.as_data`.
        origin: where it comes from, for messages.

    Raises:
        SettingsError: no such method, an unknown field, or a value that is not allowed.
        SettingsTypeError: a field has the wrong type.
    """
    name = data.get("method", "mata")
    given = {key: value for key, value in data.items() if key != "method"}
    cls = method_named(name, origin)
    known = [own.name for own in ordered_fields(cls)]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SettingsError(
            f"{origin} has the unknown field {unknown[0]!r}{did_you_mean(unknown[0], known)}; "
            f"allowed: {listed(known)}"
        )
    return cls(**given)


def ordered_fields(cls: type[Method]) -> list[Field[Any]]:
    """Return the fields of a method, those that all methods have last."""
    return sorted(fields(cls), key=lambda own: bool(own.kw_only))


def method_named(name: object, origin: str = "method") -> type[Method]:
    """Return the class of a method.

    Raises:
        SettingsError: there is none of this name.
    """
    if not isinstance(name, str) or name not in METHODS:
        hint = did_you_mean(name, METHODS)
        raise SettingsError(f"{origin}: no method {name!r}{hint}; there are {', '.join(METHODS)}")
    return METHODS[name]


def settings_json(data: dict[str, Any]) -> str:
    """Return the fields of a setting as readable JSON: each layer's gains on one line."""
    return _readable(json.loads(json.dumps(data)), "\n") + "\n"


def _readable(value: Any, line: str) -> str:
    """Return JSON text with lists of numbers on one line; ``line`` starts a line, indented."""
    flat = isinstance(value, list) and all(isinstance(item, (int, float)) for item in value)
    if flat or not value or not isinstance(value, (dict, list)):
        return json.dumps(value)
    inner = line + "  "
    if isinstance(value, list):
        parts = [_readable(item, inner) for item in value]
        return "[" + inner + f",{inner}".join(parts) + line + "]"
    parts = [f"{json.dumps(key)}: {_readable(item, inner)}" for key, item in value.items()]
    return "{" + inner + f",{inner}".join(parts) + line + "}"


def number(field: str, value: object, least: float = -MAX_ALPHA, most: float = MAX_ALPHA) -> float:
    """Return ``value`` as a float.

    Raises:
        SettingsTypeError: it is no number.
        SettingsError: it is not finite, or out of the bounds.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise SettingsTypeError(f"{field} must be a number; got {value!r}")
    if not least <= value <= most:  # type: ignore[operator]  # a Real has an order
        raise SettingsError(
            f"{field} must be a finite number between {least:g} and {most:g}; got {value!r}"
        )
    return float(value)


def one_of(field: str, value: object, allowed: Iterable[str]) -> None:
    """Check a choice.

    Raises:
        SettingsTypeError: it is no string.
        SettingsError: it is none of the allowed.
    """
    if not isinstance(value, str):
        raise SettingsTypeError(f"{field} must be one of {listed(allowed)}; got {value!r}")
    if value not in allowed:
        raise SettingsError(
            f"{field} must be one of {listed(allowed)}; got {value!r}{did_you_mean(value, allowed)}"
        )


def listed(values: Iterable[str]) -> str:
    """Return values as they stand in messages: ``'a', 'b'``."""
    return ", ".join(repr(value) for value in values)
