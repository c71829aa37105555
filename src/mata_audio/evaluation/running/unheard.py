"""The no-audio arm of a run: a setting under which no token attends to the audio."""

from __future__ import annotations

from collections.abc import Sequence

from mata_audio.errors import SettingsError
from mata_audio.evaluation.results.results import UNHEARD
from mata_audio.families import Located
from mata_audio.methods.mass import Mass
from mata_audio.settings.named import NamedSetting


def unheard(located: Located) -> NamedSetting:
    """Return the setting under which no later token, of prompt or answer, attends to the audio.

    Every row of the prompt loses its attention mass on the audio, in every layer. So the rows that
    the answer is made of hold nothing of the clip but its length, which their positions show.

    Raises:
        SettingsError: the model also passes the audio on by other ways than attention.
    """
    without = located.depth - len(located.attending)
    if without:
        raise SettingsError(
            f"the no-audio arm (--unheard) is not possible for a {located.family.model_type} "
            f"model: {without} of its {located.depth} layers have no attention to take the audio "
            "from, and those with a state (Mamba) pass it on to later tokens. Leave out --unheard"
        )
    return NamedSetting(UNHEARD, Mass(alpha=-1, layers="all", rows="all"))


def with_unheard(
    settings: Sequence[NamedSetting], located: Located, wanted: bool
) -> tuple[NamedSetting, ...]:
    """Return the settings of a run, with the no-audio arm as the last one if it is wanted.

    Raises:
        SettingsError: another setting has the arm's name, or the model cannot have the arm.
    """
    if any(setting.name == UNHEARD for setting in settings):
        raise SettingsError(
            f"{UNHEARD!r} is the name of the no-audio arm (--unheard), which is never a candidate: "
            "give the setting another name"
        )
    return (*settings, unheard(located)) if wanted else tuple(settings)
