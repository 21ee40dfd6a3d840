"""A BERT's student as a DistilBERT, which has neither token types nor a pooler (Sanh et al. 2019)."""

from typing import Any

from transformers import DistilBertConfig, DistilBertForSequenceClassification

from pipeline.models.pooling import pool, pooling_of

LAYER_NAMES = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}


def distilbert_from(teacher: Any) -> Any:
    """A DistilBERT with every second layer of a BERT: no token-type embeddings, no pooler (Sanh et al. 2019, section 2).

    The embedding of token type 0, which BERT adds to every token of a single text, is added to the position embeddings, so
    that the first layer gets the same input. Of a pair, it sees the separator only.
    """
    source, old = teacher.bert, teacher.config
    kept = range(0, old.num_hidden_layers, 2)
    config = DistilBertConfig(
        vocab_size=old.vocab_size, max_position_embeddings=old.max_position_embeddings, n_layers=len(kept),
        n_heads=old.num_attention_heads, dim=old.hidden_size, hidden_dim=old.intermediate_size, activation=old.hidden_act,
        dropout=old.hidden_dropout_prob, attention_dropout=old.attention_probs_dropout_prob, pad_token_id=old.pad_token_id,
        num_labels=old.num_labels, id2label=old.id2label, label2id=old.label2id, problem_type=old.problem_type,
    )  # fmt: skip
    student = DistilBertForSequenceClassification(config)
    weights = dict(student.state_dict())
    embeddings = source.embeddings
    positions = embeddings.position_embeddings.weight + embeddings.token_type_embeddings.weight[0]
    weights["distilbert.embeddings.word_embeddings.weight"] = embeddings.word_embeddings.weight
    weights["distilbert.embeddings.position_embeddings.weight"] = positions
    for part in ("weight", "bias"):
        weights[f"distilbert.embeddings.LayerNorm.{part}"] = getattr(embeddings.LayerNorm, part)
        for new, layer in enumerate(source.encoder.layer[i] for i in kept):
            for theirs, ours in LAYER_NAMES.items():
                tensor = layer.get_parameter(f"{theirs}.{part}")
                weights[f"distilbert.transformer.layer.{new}.{ours}.{part}"] = tensor
    student.load_state_dict(weights)
    return pool(student, pooling_of(teacher))
