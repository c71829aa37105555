"""What a method's logits must be: its entry's formula on float64 runs of the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from entries import LAYERS, Entry
from torch import Tensor

from reference import ByRow, Steering, double
from subject import Subject


@dataclass(frozen=True)
class Reads:
    """Left-padded prompts and their answers, read whole by the reference, in float64.

    Args:
        subject: the model.
        inputs: the prompts.
        new: the tokens of their answers.
        others: second prompts by name, of which these are the answers too.
    """

    subject: Subject
    inputs: dict[str, Tensor]
    new: Tensor
    others: Mapping[str, dict[str, Tensor]] = field(default_factory=dict)

    @property
    def real(self) -> Tensor:
        return self.inputs["attention_mask"].bool()

    @property
    def audio(self) -> Tensor:
        return self.inputs["input_ids"] == self.subject.audio_token_id

    @property
    def heard(self) -> Tensor:
        """Which samples have audio."""
        return self.audio.any(1)

    def keys(self, kind: str) -> Tensor:
        """Where the prompt's keys of a kind are, found slot by slot."""
        if kind == "audio":
            return self.audio
        found = torch.zeros_like(self.real)
        for sample, slots in enumerate(self.real.tolist()):
            own = [slot for slot, is_real in enumerate(slots) if is_real]
            audio = self.audio[sample].nonzero().flatten().tolist()
            before = [slot for slot in own if audio and slot < audio[0]]
            found[sample, {"first": own[:1], "before-audio": before}[kind]] = True
        return found

    def rows(self, name: str) -> Tensor | str:
        """The active prompt rows: the last, or those after the last audio token."""
        if name == "last":
            return name
        after = torch.zeros_like(self.real)
        for sample, audio in enumerate(self.audio):
            if audio.any():
                after[sample, int(audio.nonzero().max()) + 1 :] = True
        return after

    def under(
        self,
        changes: Sequence[tuple[Steering, str]] = (),
        rows: str = "last",
        strength: Tensor | None = None,
    ) -> Tensor:
        """Logits from which the new tokens were chosen, shape (batch, new, vocabulary)."""
        also = [(how, self.keys(kind)) for how, kind in changes]
        if strength is not None:
            also = [(ByRow(**vars(how), strength=strength), keys) for how, keys in also]
        nothing = Steering([], rows=self.rows(rows))
        return self.subject.expected(self.inputs, nothing, generated=self.new, also=also)

    def strengths(self, entry: Entry) -> Tensor:
        """The factor of raw scores less 1 at every row, shape (batch, prompt and answer)."""
        assert entry.factor is not None
        batch, width = self.real.shape
        strength = torch.zeros(batch, width + self.new.shape[1], dtype=torch.float64)
        for step in range(self.new.shape[1] if entry.each_step else 1):
            looked = self.under(entry.changes, entry.rows, strength)[:, step]  # this row is at 0
            strength[:, width - 1 + step] = entry.factor(entry.method, looked) - 1
        return strength

    def expected(self, entry: Entry) -> Tensor:
        """Logits of every step by the entry's formula; samples without audio are left alone."""
        strength = None if entry.factor is None else self.strengths(entry)
        logits = self.under(entry.changes, entry.rows, strength)
        if entry.mixed is not None:
            seen = [self.share(entry.share_of)] if entry.share_of else []
            logits = entry.mixed(entry.method, logits, *self.compared_with(entry), *seen)
        return torch.where(self.heard[:, None, None], logits, self.under())

    def share(self, layers: int) -> Tensor:
        """The share of attention on audio of each step's row, in the last layers, by eager code.

        One prompt at a time, without padding, whose rows eager code makes into NaN in float64.
        """
        twin = double(self.subject.model, self.subject.layout)
        twin.set_attn_implementation("eager")
        ids = torch.cat([self.inputs["input_ids"], self.new], 1)
        features = {name: value for name, value in self.inputs.items() if "feature" in name}
        shares, clip = [], 0
        for sample, real in enumerate(self.real):
            start, audio = int(real.int().argmax()), self.audio[sample]
            clips = int((audio[1:] & ~audio[:-1]).sum())
            rest = {
                name: value[clip : clip + clips].to(
                    torch.float64 if value.is_floating_point() else value.dtype
                )
                for name, value in features.items()
                if clips
            }
            own = ids[sample : sample + 1, start:]
            call = {"input_ids": own, "attention_mask": torch.ones_like(own)}
            with torch.no_grad():
                attentions = twin(**call, **rest, output_attentions=True).attentions
            rows = torch.stack(attentions[-layers:])[:, 0, :, -self.new.shape[1] - 1 : -1]
            on_audio = rows[..., : len(audio) - start] * audio[start:]
            shares.append(on_audio.sum(-1).mean((0, 1)))
            clip += clips
        return torch.stack(shares)

    def compared_with(self, entry: Entry) -> list[Tensor]:
        """Logits of the second prompts, or of the view in which audio is out of reach."""
        if not entry.others:
            return [self.under([(Steering(LAYERS, -1.0, "mass"), "audio")], entry.rows)]
        unchanged = Steering([])
        return [
            self.subject.expected(self.others[name], unchanged, generated=self.new)
            for name in entry.others
        ]
