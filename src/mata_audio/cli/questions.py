"""Questions about the same clips, each answered without and with a setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mata_audio.cli.asked import asked_text
from mata_audio.cli.options.setting import set_in_words
from mata_audio.cli.progress import note
from mata_audio.settings.deciding import ChosenSetting
from mata_audio.settings.in_words import describe_on
from mata_audio.settings.named import BASELINE, NamedSetting

if TYPE_CHECKING:
    from mata_audio.asking import Answer, Asker, Prompt
    from mata_audio.models.audio import Decoded


@dataclass(frozen=True)
class Asked:
    """A question and its answers.

    Args:
        prompt: as the model was given it.
        answers: the baseline's if it was asked, and the setting's.
        setting: the setting, and where it comes from.
        files: of the clips.
    """

    prompt: Prompt
    answers: tuple[Answer, ...]
    setting: ChosenSetting
    files: tuple[str, ...]

    def text(self, width: int) -> str:
        """Return what is shown of it, ``width`` columns wide."""
        return asked_text(self.answers, len(self.files), width)


@dataclass
class Questions:
    """Asks questions about the same clips.

    Args:
        asker: the model.
        files: of the clips.
        clips: what the model hears of them.
        setting: the setting, and where it comes from; it may change between questions.
        compare: ask without the setting too.
        max_new_tokens: longest answer.
    """

    asker: Asker
    files: Sequence[str]
    clips: Sequence[Decoded]
    setting: ChosenSetting
    compare: bool
    max_new_tokens: int

    def ask(self, question: str, say: Callable[[str], None] = lambda text: None) -> Asked:
        """Answer a question.

        Args:
            question: as the user writes it.
            say: is told what is going on.

        Raises:
            SettingsError: the question is empty or contains the audio token, or the setting does
                not fit the model.
            NoAudioError: the setting is for tokens that the prompt does not have.
        """
        prompt = self.asker.prompt(question, self.clips)
        unknown = self.asker.prompter.unknown_words(question)
        if unknown:
            name = self.asker.loaded.name
            note(f"warning: {name} does not know these words: {', '.join(unknown)}")
        method = self.setting.method
        settings = [NamedSetting(method.title, method)]
        if self.compare:
            settings.insert(0, NamedSetting(BASELINE, None))
        answers = []
        for setting in settings:
            say(f"answering {'with' if setting.method else 'without'} {method.title}")
            answers.append(self.asker.answer(prompt, setting, self.max_new_tokens))
        return Asked(prompt, tuple(answers), self.setting, tuple(self.files))

    def change(self, words: str) -> None:
        """Change the setting, as in ``alpha=0.5 layers=10-20`` or ``method=mass alpha=1``.

        Raises:
            SettingsError: the words cannot be read, or the setting does not fit the model.
            SettingsTypeError: a type that is not allowed.
        """
        method = set_in_words(self.setting.method, words)
        describe_on(method, self.asker.located)
        self.setting = ChosenSetting(method, f"by /set {words}")

    @property
    def header(self) -> str:
        """The model, the setting and the clips, in lines."""
        loaded = self.asker.loaded
        lines = [f"model      {loaded.name} ({loaded.family.model_type})", self.setting_lines]
        for name, clip in zip(self.files, self.clips, strict=True):
            heard = f", the first {clip.heard:.1f} s are heard" if clip.is_cut else ""
            lines.append(f"audio      {name} ({clip.seconds:.2f} s{heard})")
        return "\n".join(lines)

    @property
    def setting_lines(self) -> str:
        """The setting, in two lines."""
        said = describe_on(self.setting.method, self.asker.located)
        return f"setting    {said}\n           ({self.setting.origin})"
