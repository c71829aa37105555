"""Asking about clips: answers, their likeliest first words, and where each word listened."""

from mata_audio.asking.answer import Answer, FirstWord, Heard, Word
from mata_audio.asking.asker import Asker
from mata_audio.asking.prompt import Prompt

__all__ = ["Answer", "Asker", "FirstWord", "Heard", "Prompt", "Word"]
