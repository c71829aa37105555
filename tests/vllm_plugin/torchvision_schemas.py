"""What torchvision misses beside a build of PyTorch for the CPU: two schemas of its compiled part.

There is no such build of torchvision. What processors of pictures use of it is plain PyTorch. vLLM
starts processes of its own, so `make test-vllm` lets each process import this as ``sitecustomize``.
"""

from __future__ import annotations

from importlib.util import find_spec

import torch

if find_spec("torchvision") is not None and not torch.cuda.is_available():
    LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        LIBRARY.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
