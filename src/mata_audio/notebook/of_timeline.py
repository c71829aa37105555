"""A timeline: how much of the attention each clip gets, and the attention along its time."""

from __future__ import annotations

from functools import partial

import numpy as np
from markupsafe import Markup

from mata_audio.notebook import markup
from mata_audio.pictures import attention_lines
from mata_audio.profiling import Timeline

_MOST_PICTURES = 4


def html(timeline: Timeline) -> str:
    """Return the share of attention on each clip, mean over layers, and the lines along time."""
    clips = [int(clip) for clip in np.unique(timeline.clips)]
    rows = [
        [
            f"clip {clip + 1}",
            f"{timeline.ends[timeline.clips == clip].max():.2f}",
            *(
                f"{100 * own[:, timeline.clips == clip].sum(axis=1).mean():.1f}"
                for own in timeline.weights.values()
            ),
        ]
        for clip in clips
    ]
    caption = "Attention of the last token on the audio in %, mean over heads and layers"
    made = markup.table(caption, ["", "seconds heard", *timeline.weights], rows)
    drawn = [
        markup.picture("listening", partial(attention_lines, timeline, clip=clip))
        for clip in clips[:_MOST_PICTURES]
    ]
    return made + Markup().join(drawn)
