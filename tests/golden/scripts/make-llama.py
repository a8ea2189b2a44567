#!/usr/bin/env python3
# make-llama.py - tiny random language models of each family, with their logits
#
#   make-llama.py OUTPUT-FOLDER                 tiny models: NAME.gguf, NAME.safetensors
#   make-llama.py OUTPUT-FOLDER MODEL.gguf      smollm2.safetensors from the real file
#
# The reference is the family's class in transformers, in f32 on the CPU, with weights that went through the block
# formats of the file. Made with transformers 5.24, torch 2.15, gguf 0.19.
#
# SPDX-License-Identifier: GPL-3.0-or-later

import sys

import gguf
import numpy
import torch
from safetensors.numpy import save_file
from transformers import (LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          Qwen3Config, Qwen3ForCausalLM, SmolLM3Config, SmolLM3ForCausalLM)

F32, F16, BF16 = gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.BF16
Q8, Q40, Q41 = gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_0, gguf.GGMLQuantizationType.Q4_1

LLAMA3 = {"rope_type": "llama3", "rope_theta": 5000.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32}

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}


def models():
    small = dict(vocab_size=70, max_position_embeddings=128, attention_dropout=0.0, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    return {
        # Types that do not join, llama 3's stretched pairs, its own head.
        "llama": (LlamaForCausalLM, LlamaConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=64,
                                                rms_norm_eps=1e-5, rope_parameters=LLAMA3, tie_word_embeddings=False, **small),
                  {"token_embd": Q8, "attn_q": Q8, "attn_k": Q8, "attn_v": Q40, "ffn_gate": Q41, "ffn_up": Q41, "*": F16}),
        # One key head, biases everywhere that llama allows them.
        "mistral": (MistralForCausalLM, MistralConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=1, intermediate_size=96, head_dim=8,
                                                      sliding_window=None, rms_norm_eps=1e-6, rope_parameters={"rope_type": "default", "rope_theta": 1e4}, tie_word_embeddings=False, **small),
                    {"ffn_down": Q40, "*": F16}),
        "qwen2": (Qwen2ForCausalLM, Qwen2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48,
                                                rms_norm_eps=1e-6, rope_parameters={"rope_type": "default", "rope_theta": 1e6}, tie_word_embeddings=True, **small),
                  {"*": F16}),
        # Heads that are not width / heads wide, norms on q and k.
        "qwen3": (Qwen3ForCausalLM, Qwen3Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=12, intermediate_size=64,
                                                rms_norm_eps=1e-6, rope_parameters={"rope_type": "default", "rope_theta": 1e6}, tie_word_embeddings=True, **small),
                  {"*": F32}),
        # The fourth layer has no positions; positions stretched linearly.
        "smollm3": (SmolLM3ForCausalLM, SmolLM3Config(hidden_size=32, num_hidden_layers=5, num_attention_heads=2, num_key_value_heads=1, intermediate_size=32,
                                                      rms_norm_eps=1e-5, rope_parameters={"rope_type": "linear", "rope_theta": 2e4, "factor": 2.0},
                                                      tie_word_embeddings=True, use_sliding_window=False, **small),
                    {"*": BF16}),
    }


def permute(weight, heads):
    """Rows of q or k from half-split to neighbouring pairs."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def write_tiny(folder, name, kind, config, types):
    torch.manual_seed(sum(map(ord, name)))
    config._attn_implementation = "eager"
    model = kind(config).float().eval()
    architecture = {"mistral": "llama"}.get(name, name)
    writer = gguf.GGUFWriter(f"{folder}/{name}.gguf", architecture)
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads

    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if name != "mistral":
        writer.add_rope_dimension_count(head_dim)
    if name == "qwen3":
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if config.rope_parameters["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_parameters["factor"])
    if config.rope_parameters["rope_type"] == "llama3":
        plain = 1.0 / (config.rope_parameters["rope_theta"] ** (torch.arange(0, head_dim, 2).float() / head_dim))
        writer.add_tensor("rope_freqs.weight", (plain / model.model.rotary_emb.inv_freq).numpy())

    with torch.no_grad():
        for key, tensor in model.named_parameters():
            if key == "lm_head.weight" and config.tie_word_embeddings:
                continue
            path = key.removeprefix("model.").rsplit(".", 1)
            if path[0].startswith("layers."):
                _, layer, rest = path[0].split(".", 2)
                short, full = NAMES[rest], f"blk.{layer}.{NAMES[rest]}.{path[1]}"
            else:
                short = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}[path[0]]
                full = f"{short}.{path[1]}"
            # Large enough that attention is not uniform; norms that are not all ones.
            if "norm" in short:
                tensor.copy_(1.0 + 0.3 * torch.randn_like(tensor))
            elif path[1] == "bias":
                tensor.copy_(0.5 * torch.randn_like(tensor))
            else:
                tensor.copy_(torch.randn_like(tensor) / tensor.shape[1] ** 0.5 * (1.6 if short in ("attn_q", "attn_k") else 1.0))
            value = tensor.detach().numpy()
            if architecture in ("llama", "smollm3") and short in ("attn_q", "attn_k"):
                value = permute(value, heads if short == "attn_q" else kv_heads)
            value = numpy.ascontiguousarray(value)
            quantized = types.get(short, types["*"]) if tensor.dim() == 2 else F32
            data = gguf.quants.quantize(value, quantized)
            writer.add_tensor(full, data, raw_dtype=quantized)
            value = gguf.quants.dequantize(data, quantized).reshape(value.shape).astype(numpy.float32)
            if architecture in ("llama", "smollm3") and short in ("attn_q", "attn_k"):
                n = heads if short == "attn_q" else kv_heads
                value = value.reshape(n, value.shape[0] // n // 2, 2, *value.shape[1:]).swapaxes(1, 2).reshape(value.shape)
            tensor.copy_(torch.from_numpy(numpy.ascontiguousarray(value)))

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    generator = numpy.random.default_rng(7)
    ids = generator.integers(0, config.vocab_size, 45).astype(numpy.int32)
    soft = generator.normal(0, 1, (3, config.hidden_size)).astype(numpy.float32)
    mixed = ids.copy()
    mixed[[2, 3, 20]] = -1
    with torch.no_grad():
        plain = model(torch.from_numpy(ids.astype(numpy.int64))[None]).logits[0].numpy()
        rows = model.get_input_embeddings()(torch.from_numpy(numpy.maximum(mixed, 0).astype(numpy.int64))).clone()
        rows[mixed < 0] = torch.from_numpy(soft)
        softened = model(inputs_embeds=rows[None]).logits[0].numpy()
        greedy = greedy_tokens(model, ids[:9], 24)
    save_file({"ids": ids, "logits": plain, "mixed": mixed, "soft": soft, "mixed_logits": softened, "greedy": greedy,
               "mean": model.get_input_embeddings().weight.detach().double().mean(0).float().numpy(),
               "deviation": numpy.array([(model.get_input_embeddings().weight.detach().double() - model.get_input_embeddings().weight.detach().double().mean(0)).pow(2).mean().sqrt()], dtype=numpy.float32)},
              f"{folder}/{name}.safetensors")


def greedy_tokens(model, ids, n):
    ids = torch.from_numpy(ids.astype(numpy.int64))[None]
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, min_new_tokens=n, do_sample=False, pad_token_id=0, eos_token_id=None)
    return out[0, ids.shape[1]:].numpy().astype(numpy.int32)


PROMPTS = [
    "What is the capital of France?",
    "The photo shows two cups (on the left, at the top right); one lamp (in the center). How many cups are there?",
    "Write a short poem about the sea.",
    "List three fruits.",
    "Explain in one sentence why the sky is blue.",
]


def write_smollm2(folder, path):
    reader = gguf.GGUFReader(path)
    weights = {t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(numpy.float32) for t in reader.tensors}
    config = LlamaConfig(vocab_size=49152, hidden_size=576, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3, intermediate_size=1536,
                         rms_norm_eps=1e-5, rope_parameters={"rope_type": "default", "rope_theta": 1e5}, max_position_embeddings=8192, tie_word_embeddings=True)
    config._attn_implementation = "eager"
    model = LlamaForCausalLM(config).float().eval()
    back = {v: k for k, v in NAMES.items()}
    with torch.no_grad():
        for name, value in weights.items():
            if name.startswith("blk."):
                _, layer, short, _ = name.split(".")
                key = f"model.layers.{layer}.{back[short]}.weight"
                if short in ("attn_q", "attn_k"):
                    n = 9 if short == "attn_q" else 3
                    value = value.reshape(n, 32, 2, 576).swapaxes(1, 2).reshape(value.shape)
            else:
                key = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}[name]
            dict(model.named_parameters())[key].copy_(torch.from_numpy(numpy.ascontiguousarray(value).reshape(dict(model.named_parameters())[key].shape)))

    # The file's own vocabulary, through llama.cpp's tokenizer.
    import llama_cpp
    tokenizer = llama_cpp.Llama(path, vocab_only=True, verbose=False)
    system = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    tensors = {}
    for i, prompt in enumerate(PROMPTS):
        text = f"{system}<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
        ids = numpy.array(tokenizer.tokenize(text.encode(), add_bos=False, special=True), dtype=numpy.int32)
        tensors[f"ids{i}"] = ids
        tensors[f"greedy{i}"] = greedy_tokens(model, ids, 64)
        if i == 1:
            # Every 16th logit of every position: small enough to keep, dense enough to miss nothing.
            with torch.no_grad():
                logits = model(torch.from_numpy(ids.astype(numpy.int64))[None]).logits[0].numpy()
            tensors["logits"] = numpy.ascontiguousarray(logits[:, ::16][::4])
    save_file(tensors, f"{folder}/smollm2.safetensors")


if len(sys.argv) == 2:
    for name, (kind, config, types) in models().items():
        write_tiny(sys.argv[1], name, kind, config, types)
else:
    write_smollm2(sys.argv[1], sys.argv[2])
