"""The losses of the tasks, in torch. Import this module inside functions only."""

import torch
import torch.nn.functional as F

from pipeline.tasks.base import Loss


def softmax_distillation(
    student: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, alpha: float, temperature: float
) -> torch.Tensor:
    """alpha * CE(student, labels) + (1 - alpha) * T^2 * KL(teacher / T || student / T), the mean over the batch.

    student, teacher: logits, float32 (n, labels); labels: int64 (n,), -100 for a text without a label, whose CE is 0.
    T^2 makes the gradients of the soft targets independent of T (Hinton, Vinyals, Dean 2015, section 2).
    """
    soft = F.kl_div(
        F.log_softmax(student / temperature, dim=-1),
        F.log_softmax(teacher / temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    )
    hard = F.cross_entropy(student, labels, reduction="sum") / len(labels)
    return alpha * hard + (1 - alpha) * temperature**2 * soft


def sigmoid_distillation(
    student: torch.Tensor, teacher: torch.Tensor, targets: torch.Tensor, alpha: float, temperature: float
) -> torch.Tensor:
    """alpha * BCE(student, targets) + (1 - alpha) * T^2 * KL(teacher / T || student / T), each label a Bernoulli variable.

    The mean over texts and labels. student, teacher: logits, float32 (n, labels); targets: float32 (n, labels), NaN for a
    text without labels of its own, whose BCE is 0.
    """
    wanted = torch.sigmoid(teacher / temperature)
    soft = F.binary_cross_entropy_with_logits(student / temperature, wanted)
    soft = soft - F.binary_cross_entropy_with_logits(teacher / temperature, wanted)
    known = ~targets.isnan()
    losses = F.binary_cross_entropy_with_logits(student, torch.where(known, targets, 0.0), reduction="none")
    hard = torch.where(known, losses, 0.0).mean()
    return alpha * hard + (1 - alpha) * temperature**2 * soft


def binary_cross_entropy(positive_weights: torch.Tensor | None) -> Loss:
    """The mean over texts and labels; positive_weights: float32 (labels,), of the texts that have a label."""

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        weights = None if positive_weights is None else positive_weights.to(logits.device)
        return F.binary_cross_entropy_with_logits(logits.float(), targets.float(), pos_weight=weights)

    return loss
