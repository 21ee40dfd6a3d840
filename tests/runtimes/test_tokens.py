"""An artifact makes the tokens that the training made, on whatever side texts are cut and padded, or is not made."""

from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, normalizers, processors

from pipeline.errors import OptimizationError
from pipeline.runtimes.base import Description
from pipeline.runtimes.encoder import Encoder
from pipeline.runtimes.tokens import AWKWARD, check, write
from pipeline.runtimes.torch import read_tokenizer, save
from tests.support.families import LABELS, TEXTS, TOKENIZERS, network

LENGTH = 12


def written(tokenizer: Any, folder: Path, family: str = "bert") -> Path:
    network(family).config.save_pretrained(folder)
    write(tokenizer, LENGTH, folder, TEXTS)
    return folder


@pytest.mark.parametrize("family", TOKENIZERS)
def test_the_tokenizers_of_all_families_are_served_as_transformers_has_them(family: str, tmp_path: Path) -> None:
    tokenizer = TOKENIZERS[family]()
    encode = Encoder(written(tokenizer, tmp_path, family), LENGTH, tokenizer.pad_token_id, 1)
    ids, mask = encode(AWKWARD)
    expected = tokenizer(list(AWKWARD), truncation=True, max_length=LENGTH, padding=True)
    assert ids.tolist() == expected["input_ids"] and mask.tolist() == expected["attention_mask"]


@pytest.mark.parametrize("settings", [{"truncation_side": "left"}, {"padding_side": "left"}, {"do_lower_case": False}])
def test_sides_and_casing_are_those_of_the_training(settings: dict[str, Any], tmp_path: Path) -> None:
    tokenizer = TOKENIZERS["bert"](**settings)
    encode = Encoder(written(tokenizer, tmp_path), LENGTH, tokenizer.pad_token_id, 1)
    texts = ["first " + "rain tomorrow " * 20 + "last", "RAIN"]
    ids, _ = encode(texts)
    assert ids.tolist() == tokenizer(texts, truncation=True, max_length=LENGTH, padding=True)["input_ids"]
    plain = TOKENIZERS["bert"]()(texts, truncation=True, max_length=LENGTH, padding=True)["input_ids"]
    assert ids.tolist() != plain, "the setting matters"
    assert read_tokenizer(tmp_path)(texts, truncation=True, padding=True)["input_ids"] == ids.tolist()


def test_added_tokens_and_the_padding_token_are_those_of_the_training(tmp_path: Path) -> None:
    tokenizer = TOKENIZERS["bert"](pad_token="[MASK]")
    tokenizer.add_tokens([AddedToken("@user", normalized=False)])
    model = network("bert", vocab_size=150, problem_type="regression")
    save(model, tokenizer, Description("torch", LABELS, LENGTH), tmp_path, ["ask @user now"])
    description = Description.read(tmp_path)
    ids, _ = Encoder(tmp_path, LENGTH, description.pad_id, 1)(["@user", "a longer text"])
    assert description.pad_id == tokenizer.pad_token_id == 4 == ids[0, -1]
    assert tokenizer.convert_tokens_to_ids("@user") in ids[0]


def test_what_differs_is_one_line_with_the_first_text_and_its_tokens() -> None:
    tokenizer = TOKENIZERS["bert"](split_special_tokens=True)  # tokenizer.json can't say so
    with pytest.raises(OptimizationError) as caught:
        check(tokenizer, LENGTH, ["rain", "no [SEP] please"])
    line = str(caught.value)
    assert "'no [SEP] please'" in line and "from token 3 on ['[SEP]'" in line and line.isprintable()


def test_a_tokenizer_that_is_written_otherwise_than_it_works_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer, real = TOKENIZERS["bert"](), Tokenizer.from_file

    def cased(path: str) -> Tokenizer:
        read = real(path)
        read.normalizer = normalizers.BertNormalizer(lowercase=False)
        return read

    check(tokenizer, LENGTH, ["Rain"])
    monkeypatch.setattr("tokenizers.Tokenizer", type("Cased", (), {"from_file": staticmethod(cased)}))
    with pytest.raises(OptimizationError, match="the artifact's tokenizer makes other tokens of 'Rain'"):
        check(tokenizer, LENGTH, ["Rain"])


def test_token_types_that_no_network_is_given_are_refused() -> None:
    tokenizer = TOKENIZERS["bert"]()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:2 $A:0 [SEP]:0", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    with pytest.raises(OptimizationError, match="token types other than 0 to 'rain'"):
        check(tokenizer, LENGTH, ["rain"])
