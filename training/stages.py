"""The two training stages: first the audio encoder, then all else on its frozen output."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from transformers import Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor

from batches import (
    ANSWERS,
    IGNORED,
    ClipPool,
    TextMix,
    encoder_labels,
    training_batch,
)
from mata_audio.tiny.tasks import TASKS


class TaskProbe(nn.Module):
    """Predicts a task's answer from encoder states, by attention pooling with a query per task."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.queries = nn.Embedding(len(TASKS), width)
        self.output = nn.Linear(width, len(ANSWERS))
        owner = torch.tensor([[name == task.name for name, _ in ANSWERS] for task in TASKS])
        self.owner = nn.Buffer(owner)

    def forward(self, states: Tensor, valid: Tensor, tasks: Tensor) -> Tensor:
        """States (clips, steps, width), valid (clips, steps), tasks (clips,) -> answer logits."""
        scores = torch.einsum("bsw,bw->bs", states, self.queries(tasks)) * states.shape[-1] ** -0.5
        weights = scores.masked_fill(~valid, -1e9).softmax(-1)
        logits = self.output(torch.einsum("bs,bsw->bw", weights, states))
        return logits.masked_fill(~self.owner[tasks], -1e9)


def descent(
    parameters: Sequence[nn.Parameter], rate: float, steps: int
) -> Callable[[Tensor], None]:
    """A step down a loss, by AdamW with a short warm-up and a cosine decay."""
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01, betas=(0.9, 0.98))
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=steps, pct_start=0.05
    )

    def step(loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        scheduler.step()

    return step


def encoder_batch(
    model: Qwen2AudioForConditionalGeneration, pool: ClipPool, rows: Tensor
) -> tuple[Tensor, Tensor]:
    """Encoder states (rows, steps, width) and a mask of the audio, as the model makes it."""
    tower = model.model.audio_tower
    frames = pool.frames[rows]
    hidden, tokens = tower._get_feat_extract_output_lengths(frames)
    features = pool.features[rows].float()
    positions = torch.arange(features.shape[-1] // 2, device=features.device)
    inside = positions[None] < hidden[:, None]
    mask = torch.zeros(inside.shape, device=features.device).masked_fill(~inside, -1e9)
    states = tower(features, attention_mask=mask[:, None, None, :]).last_hidden_state
    return states, positions[None, : states.shape[1]] < tokens[:, None]


def train_encoder(
    model: Qwen2AudioForConditionalGeneration,
    pool: ClipPool,
    steps: int,
    seed: int,
    report: Callable[[str], None],
    size: int = 64,
) -> None:
    """Train the encoder to separate the answers of every task, through a throw-away probe."""
    torch.manual_seed(seed)
    rng = np.random.default_rng((seed, 1))
    tower = model.model.audio_tower
    device = pool.features.device
    probe = TaskProbe(tower.config.d_model).to(device)
    tasks, answers = (labels.to(device) for labels in encoder_labels(pool.clips))
    parameters = [p for p in (*tower.parameters(), *probe.parameters()) if p.requires_grad]
    descend = descent(parameters, 2e-3, steps)
    right, seen = torch.zeros(2, len(TASKS), device=device)
    model.train()
    for step in range(steps):
        rows = torch.from_numpy(rng.choice(len(pool.clips), size=size, replace=False)).to(device)
        states, valid = encoder_batch(model, pool, rows)
        logits = probe(states, valid, tasks[rows])
        descend(nn.functional.cross_entropy(logits, answers[rows]))
        right.index_add_(0, tasks[rows], (logits.argmax(-1) == answers[rows]).float())
        seen += torch.bincount(tasks[rows], minlength=len(TASKS))
        if step % 100 == 99:
            shares = zip(TASKS, (right / seen).tolist(), strict=True)
            report(f"encoder step {step + 1}: " + ", ".join(f"{t.name} {s:.2f}" for t, s in shares))
            right, seen = torch.zeros_like(right), torch.zeros_like(seen)


@torch.no_grad()
def encode(model: Qwen2AudioForConditionalGeneration, pool: ClipPool) -> Tensor:
    """Encoder states of every clip, shape (clips, audio tokens, width)."""
    model.eval()
    rows = torch.arange(len(pool.clips), device=pool.features.device)
    return torch.cat([encoder_batch(model, pool, part)[0] for part in rows.split(256)])


def answer_loss(
    model: Qwen2AudioForConditionalGeneration, states: Tensor, batch: dict[str, Tensor]
) -> Tensor:
    """Cross-entropy of the answer tokens, given encoder states (batch, audio tokens, width)."""
    ids, labels = batch["input_ids"], batch["labels"]
    audio = ids == model.config.audio_token_id
    valid = torch.arange(states.shape[1], device=ids.device)[None] < audio.sum(1, keepdim=True)
    heard = model.model.multi_modal_projector(states[valid])
    embeddings = model.get_input_embeddings()(ids).masked_scatter(audio[..., None], heard)
    hidden = model.model.language_model(
        inputs_embeds=embeddings, attention_mask=batch["attention_mask"], use_cache=False
    ).last_hidden_state
    taught = labels[:, 1:] != IGNORED
    logits = model.lm_head(hidden[:, :-1][taught])
    return nn.functional.cross_entropy(logits, labels[:, 1:][taught])


def train_language(
    model: Qwen2AudioForConditionalGeneration,
    processor: Qwen2AudioProcessor,
    pool: ClipPool,
    mix: TextMix,
    steps: int,
    seed: int,
    report: Callable[[str], None],
    size: int = 32,
    rate: float = 1.2e-3,
) -> Iterator[int]:
    """Train all but the encoder; yields the number of steps done, every 50 steps.

    ``steps`` is the length of the learning-rate schedule; a caller may stop before its end.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng((seed, 2))
    states = encode(model, pool)
    trained = (model.model.multi_modal_projector, model.model.language_model, model.lm_head)
    parameters = [parameter for part in trained for parameter in part.parameters()]
    descend = descent(parameters, rate, steps)
    model.train()
    for step in range(1, steps + 1):
        rows, batch = training_batch(rng, processor, pool, size, mix)
        batch = {name: value.to(states.device) for name, value in batch.items()}
        loss = answer_loss(model, states[rows], batch)
        descend(loss)
        if step % 50 == 0:
            report(f"language step {step}: loss {loss.item():.3f}")
            yield step
