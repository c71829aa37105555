"""Every row equals the float64 reference, whatever the prompts, the padding and the setting.

For thousands of cases instead of hundreds:
pytest tests/steering/test_properties.py --hypothesis-profile=many
"""

from __future__ import annotations

from unittest import mock

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_prompt_rows import changed_rows
from torch import Tensor

from checks import assert_close, greedy, new_tokens, using_backend
from mata_audio import MATA
from mata_audio.notation.rows import read_rows
from mata_audio.steering.formulas import FORMULAS
from reference import Steering
from subject import Subject

LAYERS, HEADS = 4, 4

# All cases share one session fixture.
many_cases = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

texts = st.text(alphabet="abcdefgh ?", min_size=1, max_size=40)
seconds = st.floats(0.1, 1.5).map(lambda length: round(length, 2))
samples = st.tuples(texts, st.lists(seconds, max_size=3))
batches = st.lists(samples, min_size=1, max_size=4).filter(lambda batch: any(c for _, c in batch))


def subsets(count: int) -> st.SearchStrategy[list[int]]:
    return st.sets(st.integers(0, count - 1), min_size=1).map(sorted)


tables = st.lists(
    st.lists(st.floats(-1, 2), min_size=HEADS, max_size=HEADS), min_size=LAYERS, max_size=LAYERS
)
how = {
    "formula": st.sampled_from(list(FORMULAS)),
    "rows": st.sampled_from(["last"] * 4 + ["all", "after-audio", "last-7", "random-5"]),
}
heads = st.none() | subsets(HEADS)
matas = st.builds(
    MATA, alpha=st.floats(-1, 2), layers=subsets(LAYERS), heads=heads, **how
) | st.builds(MATA, gains=tables, **how)
backends = st.sampled_from(["sdpa", "eager"])


def expected(
    subject: Subject, inputs: dict[str, Tensor], mata: MATA, generated: Tensor | None = None
) -> Tensor:
    """Logits of every position by the reference."""
    table = mata.gains is not None
    rows: Tensor | str = "last"
    if mata.rows != "last":
        rows = changed_rows(subject, inputs, read_rows(mata.rows, mata.seed))
    steering = Steering(
        layers=range(LAYERS) if table else mata.layers,
        heads=None if table else mata.heads,
        alpha=torch.tensor(mata.gains) if table else mata.alpha,
        formula=mata.formula,
        rows=rows,
    )
    return subject.expected(inputs, steering, generated=generated)


@many_cases
@given(batch=batches, side=st.sampled_from(["left", "right"]), mata=matas,
       backend=backends, scores=st.sampled_from([1, 3000, 2**23]))  # fmt: skip
def test_a_plain_pass(
    subject: Subject,
    batch: list[tuple[str, list[float]]],
    side: str,
    mata: MATA,
    backend: str,
    scores: int,
) -> None:
    inputs = subject.inputs(batch, side=side)
    with (
        using_backend(subject.model, backend),
        mock.patch("mata_audio.steering.layer.MAX_SCORES", scores),
        torch.no_grad(),
        mata(subject.model),
    ):
        found = subject.model(**inputs, **subject.layout.positions(inputs)).logits
    real = inputs["attention_mask"].bool()
    assert_close(found[real], expected(subject, inputs, mata)[real])


@many_cases
@given(batch=batches, mata=matas, backend=backends, cached=st.sampled_from([True, True, False]))
def test_generation(
    subject: Subject,
    batch: list[tuple[str, list[float]]],
    mata: MATA,
    backend: str,
    cached: bool,
) -> None:
    inputs = subject.inputs(batch)
    options = greedy(subject, max_new_tokens=3, use_cache=cached)
    with using_backend(subject.model, backend), mata(subject.model):
        output = subject.model.generate(**inputs, **options)
    wanted = expected(subject, inputs, mata, new_tokens(inputs, output))
    assert_close(torch.stack(output.logits, 1), wanted)
