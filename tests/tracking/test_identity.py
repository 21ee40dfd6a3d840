"""What makes measurements comparable."""

from collections.abc import Callable

import pytest

from pipeline.config import Config
from pipeline.evaluation import MEASURING_VERSION
from pipeline.tracking import identity


@pytest.mark.parametrize("key", [identity.protocol_key, identity.measurement_key])
def test_a_measurement_of_an_older_procedure_is_another_one(
    key: Callable[[Config], str], compose: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = compose()
    now = key(config)
    assert key(config) == now
    monkeypatch.setattr(identity, "MEASURING_VERSION", MEASURING_VERSION - 1)
    assert key(config) != now
