"""The texts for examining a classifier."""

from pipeline.config import Config
from pipeline.errors import DataError
from pipeline.tasks.single_label import TEXT

TEXTS = 50
SENTENCES = [
    "hello", "what is my balance", "please play the next song", "will it rain in the mountains tomorrow afternoon",
    "can you move my appointment with the dentist from monday to the following week", "thanks", "where is my parcel",
    "I was charged twice for the same order and would like to have one of the two payments back as soon as possible",
]  # fmt: skip


def texts_for(config: Config, data_hash: str | None, data_name: str) -> tuple[list[str], str]:
    """Texts to run the classifier on, and their description: of the run's test split if the configuration has its data."""
    fixed = f"{len(SENTENCES)} fixed sentences"
    try:
        splits = config.data.load(config.seed)
    except DataError as error:
        return SENTENCES, f"{fixed} (no data: {error})"
    if splits.content_hash != data_hash:
        return SENTENCES, f"{fixed} (data=... and seed=... do not give the run's data, {data_name})"
    texts = list(splits.test[TEXT])
    chosen = texts[:: max(1, len(texts) // TEXTS)][:TEXTS]
    return chosen, f"{len(chosen)} texts of the test split"
