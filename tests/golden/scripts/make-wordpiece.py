#!/usr/bin/env python3
# make-wordpiece.py - a small vocabulary of BERT's kind and ids by the reference tokenizers
#
#   test-golden-tokenizer --write-text TEXT
#   make-wordpiece.py TEXT tests/golden/text [VOCAB.txt of bert-base-uncased]
#
# The vocabulary is trained here with the `tokenizers` package, normaliser and pre-tokenizer as in bert-base-uncased. Ids by
# transformers' BertTokenizer; its older form in Python and llama.cpp are run as well: differences are printed, not hidden. With a
# published vocabulary those differences are printed and nothing is written.
#
# SPDX-License-Identifier: GPL-3.0-or-later
import gzip, hashlib, json, os, sys, tempfile
import gguf, llama_cpp
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BertTokenizer
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

text_path, out = sys.argv[1:3]
published = sys.argv[3] if len(sys.argv) > 3 else None
lines = [json.loads(line) for line in open(text_path)]
STORED, VOCABULARY, ALPHABET = 2000, 3000, 1200
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def train():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True, clean_text=True, handle_chinese_chars=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    # U+2581 marks words in llama.cpp's files: no vocabulary of BERT's has it.
    corpus = [line.replace("\u2581", " ") for line in lines]
    t.train_from_iterator(corpus, trainers.WordPieceTrainer(vocab_size=VOCABULARY, limit_alphabet=ALPHABET, special_tokens=SPECIAL, show_progress=False))
    return [token for token, _ in sorted(t.get_vocab().items(), key=lambda item: item[1])] + ["[DEC]"]


def mark(token):
    """As llama.cpp's converter writes pieces."""
    return token if token in SPECIAL + ["[DEC]"] else token[2:] if token.startswith("##") else "\u2581" + token


def save(path, tokens, sizes):
    w = gguf.GGUFWriter(path, "bert")
    w.add_tokenizer_model("bert")
    w.add_token_list([mark(token) for token in tokens])
    w.add_token_types([3 if token in SPECIAL + ["[DEC]"] else 1 for token in tokens])
    for key, token in (("unknown", "[UNK]"), ("bos", "[CLS]"), ("eos", "[SEP]"), ("seperator", "[SEP]"), ("padding", "[PAD]"), ("mask", "[MASK]")):
        w.add_uint32(f"tokenizer.ggml.{key}_token_id", tokens.index(token))
    if sizes:  # llama.cpp wants them beside the vocabulary
        w.add_string("tokenizer.ggml.pre", "default")
        for key, value in (("context_length", 64), ("embedding_length", 32), ("block_count", 1), ("feed_forward_length", 32), ("attention.head_count", 1)):
            w.add_uint32("bert." + key, value)
        w.add_float32("bert.attention.layer_norm_epsilon", 1e-12)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


with tempfile.TemporaryDirectory() as folder:
    tokens = open(published, encoding="utf-8").read().splitlines() if published else train()
    vocab, file = os.path.join(folder, "vocab.txt"), os.path.join(folder, "vocab.gguf")
    with open(vocab, "w", encoding="utf-8") as f:
        f.write("".join(token + "\n" for token in tokens))
    fast, slow = BertTokenizer(vocab, do_lower_case=True), BertTokenizerLegacy(vocab, do_lower_case=True)
    save(file, tokens, True)
    model = llama_cpp.Llama(file, vocab_only=True, verbose=False)

    encode = lambda line: fast.encode(line, add_special_tokens=False)
    digest, stored, unlike, other = hashlib.sha256(), [], [], []
    for i, line in enumerate(lines):
        ids = encode(line)
        text = " ".join(map(str, ids))
        digest.update(text.encode() + b"\n")
        if i < STORED:
            stored.append(text)
        if ids != slow.encode(line, add_special_tokens=False):
            unlike.append(i)
        if line and ids != model.tokenize(line.encode(), add_bos=False, special=False):
            other.append(i)
    stored.append("sha256 " + digest.hexdigest())
    print(f"{len(unlike)} of {len(lines)} lines differ from the form in Python", unlike[:8])
    print(f"{len(other)} of {len(lines)} lines differ from llama.cpp", other[:8])

    if not published:
        with open(os.path.join(out, "bert.ids.gz"), "wb") as f:
            f.write(gzip.compress(("\n".join(stored) + "\n").encode(), 9, mtime=0))
        save(os.path.join(out, "bert.gguf"), tokens, False)
        with open(os.path.join(out, "bert-vocab.txt"), "w", encoding="utf-8") as f:
            f.write("".join(token + "\n" for token in tokens))
