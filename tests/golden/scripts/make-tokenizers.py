#!/usr/bin/env python3
# make-tokenizers.py - small vocabularies, ids and chat prompts by the reference tokenizers
#
#   test-golden-tokenizer --write-text TEXT
#   make-tokenizers.py TEXT tests/golden/text [SMOLLM2.gguf] [FOLDER of published templates, NAME.jinja]
#
# Byte-level BPE: vocabularies trained here with the `tokenizers` package, pre-tokenizers as in the families'
# tokenizer.json; ids by the same package. SentencePiece: trained with `sentencepiece`, ids by llama.cpp.
# Each family is also run through llama.cpp; differences are printed, not hidden.
#
# SPDX-License-Identifier: GPL-3.0-or-later
import gzip, hashlib, json, os, sys, tempfile
import gguf, jinja2, llama_cpp, sentencepiece
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

text_path, out = sys.argv[1:3]
smollm2 = sys.argv[3] if len(sys.argv) > 3 else None
published = sys.argv[4] if len(sys.argv) > 4 else None
lines = [json.loads(line) for line in open(text_path)]
STORED, VOCABULARY = 2000, 1400

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
P = pre_tokenizers


def regex(digits):
    return P.Sequence([P.Split(Regex(LLAMA3 % digits), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)])


families = {  # name: pre-tokenizer, normaliser, ignore_merges, control tokens, bos, eos, adds bos
    "gpt-2": (P.ByteLevel(add_prefix_space=False), None, False, ["<|endoftext|>"], 0, 0, False),
    "smollm": (P.Sequence([P.Digits(individual_digits=True), P.ByteLevel(add_prefix_space=False)]), None, False,
               ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], 1, 2, False),
    "llama-bpe": (regex("{1,3}"), None, True,
                  ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"], 0, 4, True),
    "qwen2": (regex(""), normalizers.NFC(), False, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], 0, 2, False),
}

# Our own wording of the templates; with a folder of published ones both must render the same.
CHATML = "{%% for m in messages %%}%s{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{%% endfor %%}{{ '<|im_start|>assistant\n' }}"
SYSTEM = "{%% if loop.first and m['role'] != 'system' %%}<|im_start|>system\n%s<|im_end|>\n{%% endif %%}"
SPLIT = "{% if messages[0]['role'] == 'system' %}{% set s = messages[0]['content'] %}{% set rest = messages[1:] %}{% else %}{% set s = none %}{% set rest = messages %}{% endif %}"
templates = {  # name: vocabulary, format number, text
    "smollm2": ("smollm", 0, CHATML % (SYSTEM % "You are a helpful AI assistant named SmolLM, trained by Hugging Face")),
    "qwen2": ("qwen2", 0, CHATML % (SYSTEM % "You are a helpful assistant.")),
    "qwen2.5": ("qwen2", 0, CHATML % (SYSTEM % "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.")),
    "qwen3": ("qwen2", 0, (CHATML % "") + "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"),
    "llama2": ("spm", 1, SPLIT + "{% for m in rest %}{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + (('<<SYS>>\n' + s + '\n<</SYS>>\n\n' + m['content'] | trim)"
               " if s and loop.first else m['content'] | trim) + ' [/INST]' }}{% else %}{{ ' ' + m['content'] | trim + ' ' + eos_token }}{% endif %}{% endfor %}"),
    "llama3": ("llama-bpe", 2, "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
               "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"),
    "mistral": ("spm", 3, SPLIT + "{{ bos_token }}{% for m in rest %}{% if m['role'] == 'user' %}{{ '[INST] ' + (s + '\n\n' if s and loop.first else '') + m['content'] + ' [/INST]' }}"
                "{% else %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}"),
    "zephyr": ("spm", 4, "{% for m in messages %}{{ {'system': '<|system|>', 'user': '<|user|>', 'assistant': '<|assistant|>'}[m['role']] + '\n' + m['content'] + eos_token + '\n' }}{% endfor %}"
               "{{ '<|assistant|>\n' }}"),
    "vicuna": ("spm", 5, SPLIT + "{{ s if s else \"A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions.\" }}"
               "{% for m in rest %}{{ ' USER: ' + m['content'] + ' ' if m['role'] == 'user' and loop.first else 'USER: ' + m['content'] + ' ' if m['role'] == 'user' else 'ASSISTANT: ' + m['content'] + eos_token }}"
               "{% endfor %}{{ 'ASSISTANT:' }}"),
}
conversations = [
    [("user", "What is on the table?")],
    [("system", "Answer in one sentence."), ("user", "Is there a dog?")],
    [("user", "Who are you?"), ("assistant", "A program."), ("user", "And what's this: 12 cups, 3 lamps?")],
    [("system", "Be brief."), ("user", "Où est le café?"), ("assistant", "À gauche."), ("user", "そして?")],
]


def write_ids(name, encode):
    digest, stored = hashlib.sha256(), []
    for i, line in enumerate(lines):
        ids = " ".join(map(str, encode(line)))
        digest.update(ids.encode() + b"\n")
        if i < STORED:
            stored.append(ids)
    stored.append("sha256 " + digest.hexdigest())
    with open(os.path.join(out, name + ".ids.gz"), "wb") as file:
        file.write(gzip.compress(("\n".join(stored) + "\n").encode(), 9, mtime=0))


def start_gguf(path, model, pre, tokens, types, bos, eos, add_bos, template):
    w = gguf.GGUFWriter(path, "llama")
    w.add_tokenizer_model(model)
    if pre:
        w.add_tokenizer_pre(pre)
    w.add_token_list(tokens)
    w.add_token_types(types)
    w.add_bos_token_id(bos)
    w.add_eos_token_id(eos)
    w.add_add_bos_token(add_bos)
    if template:
        w.add_chat_template(template)
    return w


def finish(w):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def llama(path):
    """llama.cpp wants a few sizes beside the vocabulary: a copy with them, for this run only."""
    reader = gguf.GGUFReader(path)
    copy = tempfile.mktemp(suffix=".gguf")
    w = gguf.GGUFWriter(copy, "llama")
    for key, field in reader.fields.items():
        if key.startswith("tokenizer"):
            kind = field.types[0]
            w.add_key_value(key, [bytes(field.parts[i]) for i in field.data] if kind == gguf.GGUFValueType.ARRAY and field.types[1] == gguf.GGUFValueType.STRING
                            else field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    for key, value in (("context_length", 64), ("embedding_length", 32), ("block_count", 1), ("feed_forward_length", 32), ("attention.head_count", 1)):
        w.add_uint32("llama." + key, value)
    w.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    finish(w)
    model = llama_cpp.Llama(copy, vocab_only=True, verbose=False)
    os.unlink(copy)
    return model


def differences(name, encode, model):
    wrong = [i for i, line in enumerate(lines) if line and encode(line) != model.tokenize(line.encode(), add_bos=False, special=False)]
    print(f"{name}: {len(wrong)} of {len(lines)} lines differ from llama.cpp", wrong[:8])


saved = {}


def save_bpe(name, path, template=None):
    tokens, types, merges, f = saved[name]
    w = start_gguf(path, "gpt2", name, tokens, types, f[4], f[5], f[6], template)
    w.add_token_merges(merges)
    finish(w)


for name, f in families.items():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = f[0]
    if f[1]:
        t.normalizer = f[1]
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=f[3], initial_alphabet=P.ByteLevel.alphabet(), show_progress=False))
    spec = json.loads(t.to_str())["model"]
    merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in spec["merges"]]
    bare = Tokenizer(models.BPE(spec["vocab"], merges, ignore_merges=f[2]))
    bare.pre_tokenizer = f[0]
    if f[1]:
        bare.normalizer = f[1]
    tokens = [token for token, _ in sorted(spec["vocab"].items(), key=lambda item: item[1])]
    saved[name] = (tokens, [3 if token in f[3] else 1 for token in tokens], [" ".join(m) for m in merges], f)
    path = os.path.join(out, name + ".gguf")
    save_bpe(name, path)
    encode = lambda line: bare.encode(line, add_special_tokens=False).ids
    write_ids(name, encode)
    differences(name, encode, llama(path))

if smollm2:
    fields = gguf.GGUFReader(smollm2).fields
    text = lambda key: [bytes(fields[key].parts[i]).decode() for i in fields[key].data]
    tokens = text("tokenizer.ggml.tokens")
    bare = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, [tuple(m.split(" ")) for m in text("tokenizer.ggml.merges")]))
    bare.pre_tokenizer = families["smollm"][0]
    encode = lambda line: bare.encode(line, add_special_tokens=False).ids
    write_ids("smollm2", encode)
    differences("smollm2", encode, llama_cpp.Llama(smollm2, vocab_only=True, verbose=False))

# SentencePiece
with tempfile.TemporaryDirectory() as folder:
    # The small alphabets only: what lies outside becomes bytes.
    corpus = [piece for line in lines for piece in line.replace("\r", "\n").split("\n") if piece and max(map(ord, piece)) < 0x600]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_prefix=folder + "/spm", model_type="bpe", vocab_size=1200, byte_fallback=True, character_coverage=0.99,
        normalization_rule_name="identity", remove_extra_whitespaces=False, max_sentence_length=20000, minloglevel=2)
    sp = sentencepiece.SentencePieceProcessor(model_file=folder + "/spm.model")
n = sp.vocab_size()
pieces = [sp.id_to_piece(i).encode() for i in range(n)]
types = [2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 1 for i in range(n)]


def save_spm(path, template=None):
    w = start_gguf(path, "llama", "default", pieces, types, 1, 2, True, template)
    w.add_token_scores([sp.get_score(i) for i in range(n)])
    w.add_unk_token_id(0)
    finish(w)


path = os.path.join(out, "spm.gguf")
save_spm(path)
reference = llama(path)
encode = lambda line: reference.tokenize(line.encode(), add_bos=False, special=False) if line else []
write_ids("spm", encode)
# llama.cpp lets text reach control tokens and byte tokens by merging; ours, like sentencepiece, does not.
print("spm:", sum(encode(line) != sp.encode(line) for line in lines if line), "lines differ between llama.cpp and sentencepiece")

# Chats
environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
cases, MARK = [], "\u2063"
for name, (vocabulary, number, template) in templates.items():
    file = "chat-" + name
    path = os.path.join(out, file + ".gguf")
    (save_spm if vocabulary == "spm" else lambda p, t: save_bpe(vocabulary, p, t))(path, template)
    model = llama(path)
    bos, eos = ("<s>", "</s>") if vocabulary == "spm" else ("<|begin_of_text|>", "<|eot_id|>")
    for conversation in conversations:
        def render(source, conversation):
            return environment.from_string(source).render(messages=[{"role": r, "content": c} for r, c in conversation], bos_token=bos, eos_token=eos,
                                                          add_generation_prompt=True, enable_thinking=False)
        text = render(template, conversation)
        other = published and os.path.join(published, name + ".jinja")
        if other and os.path.exists(other):
            try:
                found = render(open(other).read(), conversation)
                print(name, "as published" if found == text else f"DIFFERS FROM PUBLISHED\n{found!r}\n{text!r}")
            except jinja2.exceptions.TemplateError as problem:
                print(name, "published template refuses:", problem)
        before = render(template, conversation[:-1] + [("user", MARK)]).split(MARK)[0]
        if vocabulary == "spm" and before.endswith(" "):
            before = before[:-1]  # the place lies before the space, so that it stays with its word
        if before.endswith("<</SYS>>\n\n"):
            before = before[:before.rindex("[INST]") + 6]
        if name == "mistral" and len(conversation) == 2:
            before = before[:before.rindex("[INST]") + 6]
        # Vocabularies without BOS in the template get it from the flag.
        first = [1] if vocabulary == "spm" and not text.startswith("<s>") else []
        tokens = lambda t: first + model.tokenize(t.encode(), add_bos=False, special=True)
        cases.append({"family": name, "vocabulary": file, "format": number, "messages": [{"role": r, "content": c} for r, c in conversation], "text": text, "ids": tokens(text),
                      "place": len(tokens(before))})
with open(os.path.join(out, "chat.json"), "w") as file:
    json.dump(cases, file, ensure_ascii=False, indent=0)
    file.write("\n")
