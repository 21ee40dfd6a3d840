"""The texts for examining a classifier."""

from pipeline.config import Config
from pipeline.errors import BackboneError, DataError
from pipeline.models.outputs import with_those_of_the_checkpoint
from pipeline.tasks.inputs import Input, inputs_of

TEXTS = 50
SENTENCES = [
    "hello", "what is my balance", "please play the next song", "will it rain in the mountains tomorrow afternoon",
    "can you move my appointment with the dentist from monday to the following week", "thanks", "where is my parcel",
    "I was charged twice for the same order and would like to have one of the two payments back as soon as possible",
]  # fmt: skip


def texts_for(config: Config, data_hash: str | None, data_name: str, pairs: bool = False) -> tuple[list[Input], str]:
    """Texts to run the classifier on, and their description: of the run's test split if the configuration has its data.

    pairs: whether it takes pairs of texts.
    """
    fixed = f"{len(SENTENCES)} fixed {'pairs of ' if pairs else ''}sentences"
    instead: list[Input] = list(zip(SENTENCES, reversed(SENTENCES), strict=True)) if pairs else list(SENTENCES)
    try:
        splits = with_those_of_the_checkpoint(config.backbone, config.data.load(config.seed))
    except (DataError, BackboneError) as error:
        return instead, f"{fixed} (no data: {error})"
    if splits.content_hash != data_hash:
        return instead, f"{fixed} (data=... and seed=... do not give the run's data, {data_name})"
    texts = inputs_of(splits.test)
    chosen = texts[:: max(1, len(texts) // TEXTS)][:TEXTS]
    return chosen, f"{len(chosen)} texts of the test split"
