"""The losses of the tasks, in torch. Import this module inside functions only."""

import torch
import torch.nn.functional as F


def softmax_distillation(
    student: torch.Tensor,
    teacher: torch.Tensor,
    labels: torch.Tensor,
    alpha: float,
    temperature: float,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """alpha * CE(student, labels) + (1 - alpha) * T^2 * KL(teacher / T || student / T), the mean over the batch.

    student, teacher: logits, float32 (n, labels); labels: int64 (n,), -100 for a text without a label, whose CE is 0.
    T^2 makes the gradients of the soft targets independent of T (Hinton, Vinyals, Dean 2015, section 2).
    weights: float32 (labels,), of the classes; a text's CE counts as much as its class weighs. None: all alike.
    """
    soft = F.kl_div(
        F.log_softmax(student / temperature, dim=-1),
        F.log_softmax(teacher / temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    )
    hard = F.cross_entropy(student, labels, weight=weights, reduction="sum") / len(labels)
    return alpha * hard + (1 - alpha) * temperature**2 * soft


def sigmoid_distillation(
    student: torch.Tensor,
    teacher: torch.Tensor,
    targets: torch.Tensor,
    alpha: float,
    temperature: float,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """alpha * BCE(student, targets) + (1 - alpha) * T^2 * KL(teacher / T || student / T), each label a Bernoulli variable.

    The mean over texts and labels. student, teacher: logits, float32 (n, labels); targets: float32 (n, labels), NaN for a
    text without labels of its own, whose BCE is 0; weights: as for `binary_cross_entropies`.
    """
    wanted = torch.sigmoid(teacher / temperature)
    soft = F.binary_cross_entropy_with_logits(student / temperature, wanted)
    soft = soft - F.binary_cross_entropy_with_logits(teacher / temperature, wanted)
    known = ~targets.isnan()
    losses = F.binary_cross_entropy_with_logits(
        student, torch.where(known, targets, 0.0), reduction="none", pos_weight=weights
    )
    hard = torch.where(known, losses, 0.0).mean()
    return alpha * hard + (1 - alpha) * temperature**2 * soft


def cross_entropies(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None = None, label_smoothing: float = 0.0
) -> torch.Tensor:
    """The cross-entropy of each text, with label smoothing, times the weight of its class: (n,).

    weights: float32 (labels,). The mean of a batch is over its texts, not over their weights: else a batch of one class
    would not be weighted. labels: int64 (n,).
    """
    each = F.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=label_smoothing)
    return each if weights is None else each * weights.to(labels.device)[labels]


def binary_cross_entropies(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """The mean over labels of the binary cross-entropy, of each text: (n,); targets: float32 (n, labels).

    weights: float32 (labels,), of the texts that have a label.
    """
    positive = None if weights is None else weights.to(logits.device)
    each = F.binary_cross_entropy_with_logits(logits.float(), targets.float(), reduction="none", pos_weight=positive)
    return each.mean(dim=1)
