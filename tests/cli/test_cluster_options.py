"""The options of a cluster: refused where they do nothing, or where Ray is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Mata, error_line

from mata_audio.errors import SettingsError
from mata_audio.evaluation.cluster import starting
from mata_audio.evaluation.cluster.ray_executor import RayExecutor

COMMANDS = {
    "eval": "eval tiny --task tiny",
    "sweep": "sweep tiny --task tiny --split tune --alphas 1",
    "choose": "choose tiny --task tiny --split tune",
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--actors 2", "--actors: only with --on ray"),
        ("--gpus-per-actor 1", "--gpus-per-actor: only with --on ray"),
        ("--ray-address auto --actors 2", "--actors and --ray-address: only with --on ray"),
    ],
)
def test_options_of_ray_without_ray_are_refused(
    mata: Mata, tmp_path: Path, command: str, option: str, words: str
) -> None:
    done = mata(*f"{command} --out {tmp_path / 'run'} {option}".split())
    assert done.code == 2
    assert words in error_line(done)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_without_ray_the_error_says_what_to_install(
    mata: Mata, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "find_spec", lambda name: None)
    done = mata(*f"{command} --out {tmp_path / 'run'} --on ray".split())
    assert done.code == 2
    assert "pip install 'mata-audio[ray]'" in error_line(done)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("gpus", [2.5, 1.5, -0.5, -1])
def test_an_actor_has_whole_gpus_or_a_part_of_one(gpus: float) -> None:
    with pytest.raises(SettingsError, match="whole GPUs, or a part of one"):
        RayExecutor(gpus_per_actor=gpus)


@pytest.mark.parametrize(
    ("executor", "cpus", "gpus", "share"),
    [
        (RayExecutor(2), 3, [0], 0.0),
        (RayExecutor(2), 3, [2], 1.0),
        (RayExecutor(6, 0.3), 8, [2], 0.3),
        (RayExecutor(7, 0.3), 8, [2], "7 actors with 0.3 GPUs each do not fit"),
        (RayExecutor(3), 8, [2], "3 actors with 1 GPUs each do not fit"),
        (RayExecutor(3, 2), 8, [4, 3], 2),
        (RayExecutor(3, 2), 8, [3, 3], r"a cluster with 3 \+ 3 GPUs"),
        (RayExecutor(3), 3, [0], "do not fit a cluster with 3 CPUs"),
    ],
)
def test_what_fits_a_cluster(
    executor: RayExecutor, cpus: int, gpus: list[float], share: float | str
) -> None:
    """Three actors with 0.3 share a GPU; no actor has parts of two, or GPUs of two machines."""
    if isinstance(share, str):
        with pytest.raises(SettingsError, match=share):
            executor._gpu_share(cpus, gpus)
    else:
        assert executor._gpu_share(cpus, gpus) == share
