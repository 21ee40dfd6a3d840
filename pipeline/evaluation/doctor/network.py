"""A torch network: its linear layers, and the time by operator from torch's profiler."""

from typing import Any

import torch

from pipeline.evaluation.doctor.facts import Network, Operators, Product, count_layers
from pipeline.evaluation.doctor.graph import WARM_UP, Inputs
from pipeline.runtimes.base import Classifier

COMPILED, OVERHEAD = "compiled code", "Python and torch between operators"


def examine(model: Any, classifier: Classifier, inputs: Inputs) -> tuple[Network | None, Operators]:
    """The matrix products of a network and its classifier's time by operator, one text at a time.

    `model` is None for a compiled network. Then the time outside torch's operators is that of the compiled code.
    """
    return None if model is None else read(model), times(classifier, inputs, COMPILED if model is None else OVERHEAD)


def read(model: Any) -> Network:
    """The matrix products of a network: its linear layers, in fp32 or int8."""
    from torch.ao.nn.quantized.dynamic import Linear

    products = []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            weight = module.weight
        elif isinstance(module, Linear):
            weight = module.weight().int_repr()  # type: ignore[no-untyped-call]
        else:
            continue
        zeros = int((weight == 0).sum())
        products.append(Product(name, weight.numel(), zeros, quantized=isinstance(module, Linear)))
    return Network(tuple(products), count_layers(name for name, _ in model.named_modules()), operators=None)


def times(classifier: Classifier, inputs: Inputs, rest: str = OVERHEAD) -> Operators:
    """The time by operator, from torch's profile. The time of an operator does not include the operators that it calls.

    The time outside all operators gets the name `rest`; it is left out where that is `OVERHEAD`.
    """
    from torch.profiler import ProfilerActivity, profile, record_function

    for encoded in inputs[:WARM_UP]:
        classifier.forward(*encoded)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for encoded in inputs:
            with record_function(rest):
                classifier.forward(*encoded)
    events = [event for event in profiled.key_averages() if event.self_cpu_time_total > 0 and event.key != OVERHEAD]
    spent = {event.key: event.self_cpu_time_total for event in events}
    return Operators.of(spent, sum(event.count for event in events), len(inputs))
