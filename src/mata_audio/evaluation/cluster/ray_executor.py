"""``RayExecutor``: a run's batches on the actors of a Ray cluster."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from mata_audio.errors import RunError, SettingsError
from mata_audio.evaluation.cluster.job import Job, Refusal
from mata_audio.evaluation.cluster.starting import check_ray, ray_running
from mata_audio.evaluation.running.batch_limit import AUTO
from mata_audio.evaluation.running.executor import Session
from mata_audio.evaluation.running.plan import Plan
from mata_audio.models.loading import SPREAD, Loaded


@dataclass(frozen=True)
class RayExecutor:
    """Answers the items of runs on actors, each of which loads the model once.

    Args:
        actors: how many.
        gpus_per_actor: GPUs for each: 1, a part such as 0.5, or several, over which its model is
            divided; 0 for the CPU. None for 1 if the cluster has GPUs, else 0.
        address: of a running cluster, or ``"auto"``; None for ``RAY_ADDRESS``, or if that is not
            set, a new one on this machine.
        object_store: bytes of shared memory of a new one; None for Ray's default.

    Raises:
        SettingsError: a number that is not allowed.
    """

    actors: int = 1
    gpus_per_actor: float | None = None
    address: str | None = None
    object_store: int | None = None

    def __post_init__(self) -> None:
        if self.actors < 1:
            raise SettingsError(f"a run needs at least 1 actor; got {self.actors}")
        gpus = self.gpus_per_actor
        if gpus is not None and not (0 <= gpus <= 1 or (gpus > 1 and gpus == gpus // 1)):
            raise SettingsError(
                f"an actor has whole GPUs, or a part of one, such as 2, 1, 0.5 or 0; got {gpus:g}"
            )

    @contextmanager
    def opened(self, plan: Plan) -> Iterator[Session]:
        """Start or join the cluster, and look at the model on it.

        Raises:
            SettingsError: Ray is missing, the model was given loaded, or the cluster is too small.
            RunError: there is no cluster, or a worker ended.
            MataError: an actor cannot load the model; the class says why.
        """
        model = plan.model
        if isinstance(model, Loaded):
            raise SettingsError(
                "a loaded model cannot be sent to the actors of a cluster: give its folder or hub "
                "id, which every machine can read"
            )
        check_ray()
        from mata_audio.evaluation.cluster.ray_session import RaySession

        preparing = plan.options.workers
        cpus = max(os.cpu_count() or 1, self.actors + preparing + 1)
        with ray_running(self.address, cpus, self.object_store):
            import ray

            machines = [own["Resources"] for own in ray.nodes() if own["Alive"]]
            cpus = int(sum(own.get("CPU", 0) for own in machines))
            share = self._gpu_share(cpus, [own.get("GPU", 0) for own in machines])
            if share > 1 and plan.options.device == "auto":
                plan = replace(plan, options=replace(plan.options, device=SPREAD))
            job = Job(plan, os.getcwd(), torch.get_num_threads(), share)
            seen = self._look(job)
            for warning in seen.warnings:
                warnings.warn(warning, stacklevel=2)
            device = seen.described.identity["device"]
            if device != "cpu" and plan.options.batching == AUTO and not torch.cuda.is_available():
                raise SettingsError(
                    "the actors have GPUs and this machine has none, so it cannot say how to make "
                    "batches: give --batching padded, or exact"
                )
            sitting = {
                **seen.described.sitting,
                "ray": ray.__version__,
                "actors": self.actors,
                "gpus_per_actor": share,
            }
            yield RaySession(
                model,
                replace(seen.described, sitting=sitting),
                seen.limit,
                replace(job, identity=seen.described.identity),
                self.actors,
                min(preparing, cpus - self.actors),
            )

    def _gpu_share(self, cpus: float, gpus: Sequence[float]) -> float:
        """Return the GPUs of each actor.

        Args:
            cpus: of the cluster.
            gpus: of each of its machines; an actor's are on one.

        Raises:
            SettingsError: the cluster has too few GPUs or CPUs.
        """
        share = self.gpus_per_actor
        if share is None:
            share = 1.0 if any(gpus) else 0.0
        if share:
            on_one = int(1 // share) if share < 1 else 1  # no actor has parts of two
            fitting = sum(int(own // max(1, share)) * on_one for own in gpus)
            if self.actors > fitting:
                have = " + ".join(f"{own:g}" for own in gpus)
                raise SettingsError(
                    f"{self.actors} actors with {share:g} GPUs each do not fit a cluster with "
                    f"{have} GPUs: give fewer --actors, or smaller --gpus-per-actor"
                )
        if self.actors + 1 > cpus:
            raise SettingsError(
                f"{self.actors} actors and one more process, which prepares clips, do not fit a "
                f"cluster with {cpus:g} CPUs: give fewer --actors"
            )
        return share

    def _look(self, job: Job) -> Any:
        """Look at the model where an actor would load it.

        Raises:
            RunError: the worker ended.
            MataError: it cannot be loaded; the class says why.
        """
        import ray

        from mata_audio.evaluation.cluster.working import look

        task: Any = ray.remote(look).options(num_cpus=1, num_gpus=job.gpu_share)
        try:
            seen = ray.get(task.remote(job))
        except ray.exceptions.RayError as error:
            text = " ".join(str(error).split())
            raise RunError(f"no worker of the cluster could load the model: {text}") from error
        if isinstance(seen, Refusal):
            raise seen.raised()
        return seen
